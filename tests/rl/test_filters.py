import jax.numpy as jnp
import numpy as np

from reasoning_jax import rl


def test_dynamic_sampling_case(cases, make_rollouts):
    case = next(c for c in cases("grpo_family")["cases"] if c["id"] == "dapo_dynamic_sampling")
    correct = np.array(case["inputs"]["correct"])
    rollouts = make_rollouts(
        rewards=jnp.zeros(correct.size),
        correct=jnp.array(correct.ravel(), jnp.int8),
        group_ids=jnp.repeat(jnp.arange(4), 4),
    )
    keep = rl.nonzero_variance(rollouts)
    np.testing.assert_array_equal(keep, np.repeat(case["expected"]["keep"], 4))


def test_dynamic_sampling_reads_the_outcome_not_the_shaped_reward(make_rollouts):
    rollouts = make_rollouts(
        rewards=jnp.array([1.0, 0.9, 1.0, 1.0]),
        correct=jnp.array([1, 1, 1, 0], jnp.int8),
        group_ids=[0, 0, 1, 1],
    )
    np.testing.assert_array_equal(rl.nonzero_variance(rollouts), [False, False, True, True])


def test_dynamic_sampling_without_unjudged_and_masked_rows(make_rollouts):
    rollouts = make_rollouts(
        rewards=jnp.zeros(7),
        # group 0: right, right, unjudged; group 1: right, wrong, unjudged and a row that is out
        correct=jnp.array([1, 1, -1, 1, 0, -1, 0], jnp.int8),
        group_ids=[0, 0, 0, 1, 1, 1, 0],
        row_mask=jnp.array([True] * 6 + [False]),
    )
    np.testing.assert_array_equal(
        rl.nonzero_variance(rollouts), [False, False, False, True, True, False, False]
    )


def test_judged_and_finished_leave_rows_out_of_groups_and_loss(make_rollouts):
    rollouts = make_rollouts(
        rewards=[1.0, 0.0, 0.0, 0.0],
        correct=jnp.array([1, 0, -1, 0], jnp.int8),
        finished=jnp.array([True, True, True, False]),
    )
    np.testing.assert_array_equal(rl.judged(rollouts), [True, True, False, True])
    np.testing.assert_array_equal(rl.finished(rollouts), [True, True, True, False])
    filtered = rl.apply_filter(rollouts, rl.judged(rollouts) & rl.finished(rollouts))
    np.testing.assert_array_equal(filtered.row_mask, [True, True, False, False])
    assert filtered.mask.shape == rollouts.mask.shape
    assert not filtered.loss_mask[2:].any()
    # two left, rewards 1 and 0: mean 0.5
    np.testing.assert_allclose(rl.advantages.dr_grpo(filtered)[:, 0], [0.5, -0.5, 0, 0])


def test_filters_only_narrow(make_rollouts):
    rollouts = make_rollouts(rewards=[1.0, 0.0], row_mask=jnp.array([False, True]))
    kept = rl.apply_filter(rollouts, jnp.array([True, True]))
    np.testing.assert_array_equal(kept.row_mask, [False, True])
