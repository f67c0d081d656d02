"""Returns, whitening, GAE, the value loss and what is made of them, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl import advantages

NAN = jnp.nan
HOLES = jnp.array([[0, 1, 0, 1, 1, 0]], bool)


@pytest.fixture
def reft(cases):
    return {case["id"]: case for case in cases("reft")["cases"]}


def test_at_last_token():
    mask = jnp.array([[0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    found = rl.at_last_token(jnp.array([2.0, 3.0, NAN]), mask)
    np.testing.assert_array_equal(found, [[0, 0, 2, 0], [0, 0, 3, 0], [0, 0, 0, 0]])


def test_returns_skip_what_was_not_sampled():
    rewards = jnp.array([[NAN, 1.0, NAN, 2.0, 4.0, NAN]])
    found = rl.returns_to_go(rewards, HOLES, gamma=0.5)
    np.testing.assert_allclose(found, [[0, 3.0, 0, 4.0, 4.0, 0]])


def test_whiten_case(reft):
    values = jnp.array([reft["whiten"]["inputs"]["adv"] + [NAN]])
    mask = jnp.array([[1, 1, 1, 0]], bool)
    for ddof, kind in enumerate(("population", "sample")):
        found = rl.whiten(values, mask, ddof=ddof)
        np.testing.assert_allclose(found[0, :3], reft["whiten"]["expected"][kind], atol=1e-6)
        assert found[0, 3] == 0


@pytest.mark.parametrize("mask", [[0, 0, 0], [0, 1, 0], [1, 1, 1]])
def test_whiten_equal_values_or_fewer_than_two(mask):
    found = rl.whiten(jnp.full((1, 3), 0.1), jnp.array([mask], bool))
    np.testing.assert_array_equal(found, np.zeros((1, 3)))


def test_rewards_and_gae_case(reft, make_rollouts):
    inputs, expected = (reft["reward_and_gae"][key] for key in ("inputs", "expected"))
    mask = jnp.array([[1, 1, 1]], bool)
    old, ref, values = (jnp.array([inputs[k]]) for k in ("old_logp", "ref_logp", "values"))
    rollouts = make_rollouts(
        rewards=[inputs["terminal"]], mask=mask, old_logprobs=old, ref_logprobs=ref, values=values
    )
    rewards = rl.token_rewards(rollouts, kl_coef=inputs["kl_coef"])
    np.testing.assert_allclose(rewards[0], expected["token_reward"], atol=1e-6)
    found, returns = advantages.gae(rewards, values, mask, gamma=inputs["gamma"], lam=inputs["lam"])
    np.testing.assert_allclose(found[0], expected["adv"], atol=1e-6)
    np.testing.assert_allclose(returns[0], expected["returns"], atol=1e-6)
    deltas, _ = advantages.gae(rewards, values, mask, lam=0.0)
    np.testing.assert_allclose(deltas[0], expected["delta"], atol=1e-6)
    whitened = advantages.ppo(rollouts, lam=inputs["lam"], kl_coef=inputs["kl_coef"])
    np.testing.assert_allclose(whitened[0], reft["whiten"]["expected"]["sample"], atol=1e-6)


def test_gae_carries_over_holes():
    rewards = jnp.array([[NAN, 1.0, NAN, 2.0, 4.0, NAN]])
    values = jnp.array([[NAN, 0.5, NAN, 1.0, 2.0, NAN]])
    found, returns = advantages.gae(rewards, values, HOLES, gamma=0.5, lam=0.5)
    # δ = 1 + .5·1 - .5, 2 + .5·2 - 1, 4 - 2; A = 1 + .25·2.5, 2 + .25·2, 2
    np.testing.assert_allclose(found, [[0, 1.625, 0, 2.5, 2.0, 0]])
    np.testing.assert_allclose(returns, [[0, 2.125, 0, 3.5, 4.0, 0]])
    squeezed, _ = advantages.gae(
        rewards[:, [1, 3, 4]], values[:, [1, 3, 4]], jnp.ones((1, 3), bool), gamma=0.5, lam=0.5
    )
    np.testing.assert_array_equal(found[:, [1, 3, 4]], squeezed)


def test_gae_without_discount_is_return_minus_value():
    rewards, values = jnp.array([[0.0, 0.0, 1.0]]), jnp.array([[0.3, 0.6, 0.8]])
    found, returns = advantages.gae(rewards, values, jnp.ones((1, 3), bool), gamma=1.0, lam=1.0)
    np.testing.assert_allclose(found, [[0.7, 0.4, 0.2]], atol=1e-6)
    np.testing.assert_allclose(returns, [[1.0, 1.0, 1.0]], atol=1e-6)


def test_ppo_needs_values(make_rollouts):
    with pytest.raises(ValueError, match="values is None"):
        advantages.ppo(make_rollouts(rewards=[1.0]))


def test_kl_in_the_reward_needs_a_reference(make_rollouts):
    with pytest.raises(ValueError, match="ref_logprobs is None"):
        rl.token_rewards(make_rollouts(rewards=[1.0]), kl_coef=0.1)


def test_kl_in_the_reward_of_what_was_sampled(make_rollouts):
    rollouts = make_rollouts(
        rewards=[1.0],
        sampler_logprobs=jnp.array([[-1.0, -2.0]]),
        ref_logprobs=jnp.array([[-1.5, -1.0]]),
        token_rewards=jnp.array([[0.25, 0.5]]),
    )
    np.testing.assert_allclose(rl.token_rewards(rollouts, kl_coef=0.1), [[0.2, 1.6]])


def test_reinforce_plus_plus_by_hand(make_rollouts):
    # returns 1, 1 | 0: mean 2/3, sample variance (1/9 + 1/9 + 4/9) / 2 = 1/3
    rollouts = make_rollouts(rewards=[1.0, 0.0], mask=[[1, 1], [1, 0]])
    up, down = np.sqrt(3) / 3, -2 * np.sqrt(3) / 3
    found = advantages.reinforce_plus_plus(rollouts)
    np.testing.assert_allclose(found, [[up, up], [down, 0]], atol=1e-6)


def test_value_loss_case(reft):
    inputs, expected = (reft["value_loss"][key] for key in ("inputs", "expected"))
    rows = [jnp.array([inputs[key] + [NAN]]) for key in ("v", "v_old", "returns")]
    mask = jnp.array([[1, 1, 0]], bool)

    def loss(values):
        losses = rl.value_loss(values, *rows[1:], mask)
        return rl.weighted_sum(losses, rl.seq_mean_token_mean(mask))

    value, gradient = jax.value_and_grad(loss)(rows[0])
    np.testing.assert_allclose(value, expected["loss"], atol=1e-6)
    # the first token is held at 0.7, worse than 0.9: no gradient; the second (0.2 - 0.5) / 2
    np.testing.assert_allclose(gradient, [[0, -0.15, 0]], atol=1e-6)


def test_value_loss_keeps_the_full_slope_at_the_old_values():
    values, returns, mask = jnp.array([[0.5]]), jnp.array([[1.5]]), jnp.array([[True]])
    gradient = jax.grad(lambda v: rl.value_loss(v, values, returns, mask).sum())(values)
    np.testing.assert_allclose(gradient, [[-1.0]])


def test_sampler_corrections_by_hand():
    ratio = jnp.array([[1.5, 0.25, 3.0, NAN], [8.0, 0.5, 1.0, 1.0]])
    sampler = jnp.full((2, 4), -2.0)
    mask = jnp.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)
    old = sampler + jnp.log(ratio)
    found = rl.truncated_importance(old, sampler, mask)
    np.testing.assert_allclose(found, [[1.5, 0.25, 2, 0], [2, 0.5, 1, 1]], rtol=1e-6)
    found = rl.masked_importance(old, sampler, mask, low=0.4)
    np.testing.assert_allclose(found, [[1.5, 0, 3, 0], [0, 0.5, 1, 1]], rtol=1e-6)
    found = rl.truncated_sequence_importance(old, sampler, mask)
    np.testing.assert_allclose(found, [[1.125, 1.125, 1.125, 0], [2, 2, 2, 2]], rtol=1e-6)
    for correction in (
        rl.truncated_importance,
        rl.masked_importance,
        rl.truncated_sequence_importance,
    ):
        np.testing.assert_array_equal(correction(old[1:], old[1:], mask[1:]), np.ones((1, 4)))
        gradient = jax.grad(lambda x, f=correction: f(x, sampler, mask).sum())(old)
        np.testing.assert_array_equal(gradient, np.zeros((2, 4)))
