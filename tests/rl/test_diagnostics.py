import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl

NAN = jnp.nan


def diagnostics(rollouts, logprobs, advantages, weights):
    policy = rl.policy_scalars(rollouts, logprobs, advantages, weights, (0.2, 0.2))
    return rl.rollout_scalars(rollouts) | policy


@pytest.fixture
def batch(make_rollouts):
    """Two tokens, three tokens, one token of a truncated row, and a row that is out."""
    rollouts = make_rollouts(
        rewards=jnp.array([1.0, 0.0, 0.5, NAN]),
        mask=[[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1]],
        group_ids=[0, 0, 3, 3],
        row_mask=jnp.array([True, True, True, False]),
        finished=jnp.array([True, True, False, False]),
        old_logprobs=jnp.array([[-1, -1, NAN], [-1, -1, -1], [-1, 9, 9], [NAN, NAN, NAN]]),
        sampler_logprobs=jnp.array([[-1, -1.3, NAN], [-1, -1, -0.4], [-1, 9, 9], 3 * [jnp.inf]]),
        ref_logprobs=jnp.array([[-1, -1, 9], [-1, -1, -1], [-1, NAN, 9], 3 * [NAN]]),
    )
    ratio = jnp.array([[2, 0.5, NAN], [1.5, 0.25, 1], [1, 9, 9], [NAN, 0, 9]])
    advantages = jnp.array([[1, 1, NAN], [-1, -1, -1], [0, NAN, 9], [NAN, NAN, NAN]])
    return rollouts, jnp.log(ratio) - 1, advantages


def test_by_hand(batch):
    rollouts, logprobs, advantages = batch
    scalars = jax.jit(diagnostics)(
        rollouts, logprobs, advantages, rl.token_mean(rollouts.loss_mask)
    )
    expected = {
        # ratios 2 0.5 | 1.5 0.25 1 | 1 sum to 6.25 over 6 tokens
        "ratio_min": 0.25,
        "ratio_mean": 6.25 / 6,
        "ratio_max": 2.0,
        # held: 2 with A > 0, 0.25 with A < 0; 0.5 with A > 0 and 1.5 with A < 0 are not
        "clip_low": 1 / 6,
        "clip_high": 1 / 6,
        "advantage_abs_mean": 5 / 6,
        # k3 = 1/ρ - 1 + ln ρ, with sums of 1/ρ: .5 + 2 + 2/3 + 4 + 2 and of ln ρ: ln 0.375
        "kl": (0.5 + 2 + 2 / 3 + 4 + 2 - 6 + np.log(0.375)) / 6,
        # old - sampler: 0.3 and -0.6
        "logprob_gap_mean": 0.9 / 6,
        "logprob_gap_max": 0.6,
        "reward": 0.5,
        "reward_sd": np.sqrt(0.5 / 3),
        # of two groups the one with a single row left has none
        "zero_variance_groups": 0.5,
        "truncated": 1 / 3,
        "length": 2.0,
        "length_finished": 2.5,
    }
    assert scalars.keys() == expected.keys()
    for name, value in expected.items():
        assert scalars[name].shape == ()
        np.testing.assert_allclose(scalars[name], value, rtol=1e-5, err_msg=name)


def test_without_old_and_reference(batch):
    rollouts, logprobs, advantages = batch
    rollouts = rollouts.replace(old_logprobs=None, ref_logprobs=None)
    weights = rl.token_mean(rollouts.loss_mask)
    scalars = diagnostics(rollouts, logprobs, advantages, weights)
    assert "kl" not in scalars
    np.testing.assert_allclose(scalars["ratio_mean"], 1, rtol=1e-6)
    assert scalars["clip_low"] == scalars["clip_high"] == 0
    # the gap is now that of the current ones: ln ratio - 1 - sampler
    gaps = [np.log(2), np.log(0.5) + 0.3, np.log(1.5), np.log(0.25), -0.6, 0]
    np.testing.assert_allclose(scalars["logprob_gap_max"], np.abs(gaps).max(), rtol=1e-5)


def test_empty_batch_is_finite(batch):
    rollouts, logprobs, advantages = batch
    rollouts = rl.apply_filter(rollouts, jnp.zeros(4, bool))
    scalars = diagnostics(rollouts, logprobs, advantages, rl.token_mean(rollouts.loss_mask))
    assert scalars["ratio_min"] == scalars["ratio_max"] == 1
    assert all(jnp.isfinite(value) for value in scalars.values())


def test_means_of_micro_batches_add_up(batch):
    rollouts, logprobs, advantages = batch
    weights = rl.token_mean(rollouts.loss_mask)
    whole = diagnostics(rollouts, logprobs, advantages, weights)
    parts = []
    for rows in (slice(0, 1), slice(1, 4)):
        arguments = rollouts, logprobs, advantages, weights
        parts.append(diagnostics(*jax.tree.map(lambda x, rows=rows: x[rows], arguments)))
    for name in ("ratio_mean", "clip_low", "clip_high", "kl"):
        np.testing.assert_allclose(sum(part[name] for part in parts), whole[name], rtol=1e-5)


def test_a_loss_that_does_not_clip_has_no_clip_fractions(batch):
    rollouts, logprobs, advantages = batch
    weights = rl.token_mean(rollouts.loss_mask)
    scalars = rl.policy_scalars(rollouts, logprobs, advantages, weights, None)
    assert "clip_low" not in scalars and "ratio_max" in scalars
