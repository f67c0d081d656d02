import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rl import advantages

CASES = ["adv_two_of_four", "adv_one_of_four", "adv_all_equal", "adv_graded"]


@pytest.mark.parametrize("case_id", CASES)
def test_worked_cases(cases, make_rollouts, case_id):
    case = next(c for c in cases("grpo_family")["cases"] if c["id"] == case_id)
    rollouts = make_rollouts(rewards=case["inputs"]["rewards"])
    eps = case["inputs"]["eps"]
    computed = {
        "grpo_sample_std": advantages.grpo(rollouts, ddof=1, eps=eps),
        "grpo_population_std": advantages.grpo(rollouts, ddof=0, eps=eps),
        "dr_grpo": advantages.dr_grpo(rollouts),
        "rloo": advantages.rloo(rollouts),
    }
    for name, result in computed.items():
        expected = np.repeat(np.array(case["expected"][name])[:, None], 2, axis=1)
        np.testing.assert_allclose(result, expected, atol=1e-6, err_msg=name)
        assert result.dtype == jnp.float32


@pytest.mark.parametrize(
    "advantage, success, failure",
    [
        # one right of eight: mean 1/8, sample std sqrt(7/8/8 * 8/7) = 0.353553
        (advantages.grpo, 2.474867, -0.353552),
        (lambda r: advantages.grpo(r, ddof=0), 2.645743, -0.377963),
        (lambda r: advantages.grpo(r, eps=1e-4), 2.474174, -0.353453),
        (advantages.dr_grpo, 0.875, -0.125),
        (advantages.rloo, 1.0, -1 / 7),
    ],
)
def test_one_success_of_eight(make_rollouts, advantage, success, failure):
    result = advantage(make_rollouts(rewards=[1.0] + 7 * [0.0]))
    np.testing.assert_allclose(result[:, 0], [success] + 7 * [failure], atol=2e-6)


OUTCOME = pytest.mark.parametrize(
    "advantage", [advantages.grpo, advantages.dr_grpo, advantages.rloo]
)


@OUTCOME
def test_groups_by_id_of_any_size_and_order(make_rollouts, advantage):
    mixed = make_rollouts(rewards=[1.0, 0.3, 0.0, 0.0, 0.7], group_ids=[4, 1, 4, 4, 1])
    first = make_rollouts(rewards=[1.0, 0.0, 0.0])
    second = make_rollouts(rewards=[0.3, 0.7])
    result = advantage(mixed)
    np.testing.assert_allclose(result[jnp.array([0, 2, 3])], advantage(first), atol=1e-6)
    np.testing.assert_allclose(result[jnp.array([1, 4])], advantage(second), atol=1e-6)


@OUTCOME
def test_masked_rows_leave_the_group(make_rollouts, advantage):
    kept = make_rollouts(rewards=[1.0, 0.0, 0.4])
    row_mask = jnp.array([True, True, True, False])
    padded = make_rollouts(rewards=[1.0, 0.0, 0.4, jnp.nan], row_mask=row_mask)
    result = advantage(padded)
    np.testing.assert_allclose(result[:3], advantage(kept), atol=1e-6)
    np.testing.assert_array_equal(result[3], [0, 0])


@OUTCOME
def test_zero_off_the_sampled_tokens(make_rollouts, advantage):
    mask = [[False, True, True], [False, True, False]]
    result = advantage(make_rollouts(rewards=[1.0, 0.0], mask=mask))
    np.testing.assert_array_equal(result != 0, mask)


@pytest.mark.parametrize("rewards", [[0.7], [0.1, 0.1, 0.1], [1e4] * 7])
@OUTCOME
def test_group_of_one_or_of_equals_is_exactly_zero(make_rollouts, advantage, rewards):
    result = advantage(make_rollouts(rewards=rewards))
    np.testing.assert_array_equal(result, np.zeros(result.shape))


@OUTCOME
def test_no_gradient(make_rollouts, advantage):
    def total(rewards):
        return jnp.sum(advantage(make_rollouts(rewards=rewards)) ** 2)

    np.testing.assert_array_equal(jax.grad(total)(jnp.array([1.0, 0.0, 0.5])), np.zeros(3))


def steps(make_rollouts, step_rewards, step_mask, **fields):
    """Each step two tokens long, the first token of the row being the prompt."""
    step_rewards, step_mask = jnp.asarray(step_rewards), jnp.asarray(step_mask, bool)
    rows, count = step_rewards.shape
    position = jnp.arange(2 * count + 1)
    return make_rollouts(
        rewards=jnp.zeros(rows),
        mask=(position > 0) & (position <= 2 * step_mask.sum(axis=1, keepdims=True)),
        step_rewards=step_rewards,
        step_mask=step_mask,
        step_ends=jnp.broadcast_to(2 * jnp.arange(1, count + 1), step_rewards.shape),
        **fields,
    )


def test_process_worked_case(make_rollouts):
    # pooled 0.2 0.8 0.9 0.5 0.1: mean 0.5, sample std 0.353553; suffix sums per row
    rollouts = steps(make_rollouts, [[0.2, 0.8, jnp.nan], [0.9, 0.5, 0.1]], [[1, 1, 0], [1, 1, 1]])
    up, down = 0.848525737, -1.13136765
    expected = [[0, 0, 0, up, up, 0, 0], [0, 0, 0, down, down, down, down]]
    result = advantages.process_grpo(rollouts)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert result.dtype == jnp.float32


def test_process_same_as_the_case_file(cases, make_rollouts):
    name = "process_supervised_grpo"
    case = next(c for c in cases("grpo_family")["cases"] if c["id"] == name)
    first, second = case["inputs"]["step_rewards"]
    rollouts = steps(make_rollouts, [[*first, 9.0], second], [[1, 1, 0], [1, 1, 1]])
    result = advantages.process_grpo(rollouts, ddof=1, eps=case["inputs"]["eps"])
    by_step = case["expected"]["adv_by_step"]
    np.testing.assert_allclose(result[0, [2, 4]], by_step[0], atol=1e-6)
    np.testing.assert_allclose(result[1, [1, 3, 5]], by_step[1], atol=1e-6)


def test_process_pools_within_the_group_only(make_rollouts):
    rewards, present = [[0.0, 1.0], [1.0, 1.0], [5.0, 9.0], [7.0, 7.0]], np.ones((4, 2))
    both = steps(make_rollouts, rewards, present, group_ids=[3, 3, 0, 0])
    result = advantages.process_grpo(both)
    for rows in (slice(0, 2), slice(2, 4)):
        alone = steps(make_rollouts, np.array(rewards)[rows], present[rows])
        np.testing.assert_allclose(result[rows], advantages.process_grpo(alone), atol=1e-6)


@pytest.mark.parametrize("step_rewards", [[[0.1, 0.1], [0.1, 0.1]], [[0.2, 0.8]]])
def test_process_equal_steps_or_one_sample_are_exactly_zero(make_rollouts, step_rewards):
    rollouts = steps(make_rollouts, step_rewards, np.ones(np.shape(step_rewards)))
    result = advantages.process_grpo(rollouts)
    np.testing.assert_array_equal(result, np.zeros(result.shape))


def test_process_rows_that_are_out_leave_the_pool(make_rollouts):
    alone = steps(make_rollouts, [[0.2, 0.8], [0.4, 0.0]], np.ones((2, 2)))
    rollouts = steps(
        make_rollouts,
        [[0.2, 0.8], [0.4, 0.0], [jnp.nan, jnp.inf]],
        np.ones((3, 2)),
        row_mask=jnp.array([True, True, False]),
    )
    result = advantages.process_grpo(rollouts)
    np.testing.assert_allclose(result[:2], advantages.process_grpo(alone), atol=1e-6)
    assert not result[2].any()


def test_process_names_the_missing_field(make_rollouts):
    with pytest.raises(ValueError, match="step_rewards is None"):
        advantages.process_grpo(make_rollouts(rewards=[1.0, 0.0]))
