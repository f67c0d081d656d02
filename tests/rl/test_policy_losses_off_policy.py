"""Losses that meet stale tokens without PPO's clip, by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rl import policy_losses

ONE = jnp.ones((1, 1))


def value_and_slope(policy_loss, advantage, ratio):
    """Of one token at log π = -1."""

    def loss(logprob):
        old = -ONE - jnp.log(ratio)
        return policy_loss(logprob, old, advantage * ONE, ONE.astype(bool))[0, 0]

    value, slope = jax.value_and_grad(loss)(-ONE)
    return float(value), float(slope[0, 0])


@pytest.mark.parametrize(
    "policy_loss, advantage, ratio, value, slope",
    [
        # weight min(ρ, 1.28): the value is +weight A since log π = -1, the slope -weight A
        (policy_losses.cispo, 1.0, 1.25, 1.25, -1.25),
        (policy_losses.cispo, -1.0, 4.0, -1.28, 1.28),
        (policy_losses.cispo, 2.0, 0.1, 0.2, -0.2),
        (functools.partial(policy_losses.cispo, low=0.2), 2.0, 0.1, 1.6, -1.6),
        (policy_losses.topr, 1.0, 4.0, 1.0, -1.0),
        (policy_losses.topr, -1.0, 4.0, -1.0, 1.0),
        (policy_losses.topr, -1.0, 0.5, -0.5, 0.5),
        # -A (4/τ) σ(τ(ρ-1)), slope -4 A ρ σ(1-σ): σ(0.25) = 0.562177, σ(3.15) = 0.958909,
        # σ(-0.525) = 0.371684
        (policy_losses.sapo, 1.0, 1.25, -2.248706, -1.230670),
        (policy_losses.sapo, -1.0, 4.0, 3.652985, 0.630446),
        (policy_losses.sapo, -1.0, 0.5, 1.415937, 0.467070),
        (policy_losses.sapo, 1.0, 1.0, -2.0, -1.0),
        # e^0.4 = 1.491825 and e^-0.4 = 0.670320 hold
        (policy_losses.gmpo, 1.0, 1.25, -1.25, -1.25),
        (policy_losses.gmpo, 1.0, 4.0, -1.491825, 0.0),
        (policy_losses.gmpo, -1.0, 4.0, 4.0, 4.0),
        (policy_losses.gmpo, -1.0, 0.5, 0.670320, 0.0),
    ],
)
def test_one_token(policy_loss, advantage, ratio, value, slope):
    found = value_and_slope(policy_loss, advantage, ratio)
    np.testing.assert_allclose(found, (value, slope), atol=2e-6)


def test_gmpo_is_the_mean_over_the_row():
    # log ratios 0.6 (held at 0.4), 0.2 and, off the mask, nan: exp(0.3) = 1.349859
    new = jnp.array([[0.6, 0.2, jnp.nan]]) - 1
    mask = jnp.array([[True, True, False]])

    def loss(new):
        return policy_losses.gmpo(new, jnp.full((1, 3), -1.0), jnp.full((1, 3), 2.0), mask)

    np.testing.assert_allclose(loss(new), [[-2.699718, -2.699718, 0]], atol=1e-6)
    # of the mean over tokens: -2 · 1.349859 / 2 on the token that is not held
    gradient = jax.grad(lambda x: loss(x).sum() / 2)(new)
    np.testing.assert_allclose(gradient, [[0, -1.349859, 0]], atol=1e-6)


@pytest.mark.parametrize("temperatures", [{"positive": 0.0}, {"negative": -1.0}])
def test_sapo_refuses_temperatures_that_are_not(temperatures):
    with pytest.raises(ValueError, match="must exceed 0"):
        policy_losses.sapo(ONE, ONE, ONE, ONE.astype(bool), **temperatures)


# Means over the four tokens: log π -2.5, A 0.5; covariances 1.5·1.5, .5·.5, -.5·.5, -1.5·.5.
LOGPROBS = jnp.array([[-1.0, -2.0, jnp.nan], [-3.0, -4.0, jnp.inf]])
ADVANTAGES = jnp.array([[2.0, 1.0, 9.0], [0.0, -1.0, jnp.nan]])
MASK = jnp.array([[1, 1, 0], [1, 1, 0]], bool)


def test_covariances_by_hand():
    found = policy_losses.covariances(LOGPROBS, ADVANTAGES, MASK)
    np.testing.assert_allclose(found, [[2.25, 0.25, -np.inf], [0.25, 2.25, -np.inf]])


@pytest.mark.parametrize("share, count", [(2e-4, 1), (0.5, 2), (0.74, 2), (1.0, 4)])
def test_highest_covariances(share, count):
    found = policy_losses.highest_covariances(LOGPROBS, ADVANTAGES, MASK, share=share)
    assert found.sum() == count
    assert not found[~MASK].any()
    if count == 2:
        np.testing.assert_array_equal(found, [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_shares_outside_the_tokens_are_refused(share):
    with pytest.raises(ValueError, match=f"share is {share}"):
        policy_losses.highest_covariances(LOGPROBS, ADVANTAGES, MASK, share=share)


def test_covariances_in_band_are_drawn_by_key():
    def drawn(seed, old, **band):
        key = jax.random.key(seed)
        return np.asarray(
            policy_losses.covariances_in_band(key, LOGPROBS, old, ADVANTAGES, MASK, **band)
        )

    times = sum(drawn(seed, LOGPROBS).astype(int) for seed in range(40))
    assert times.sum() == 40  # one of the two tokens above 1 at a time
    assert times[0, 0] > 5
    assert times[1, 1] > 5
    both = drawn(0, LOGPROBS, share=1.0)
    np.testing.assert_array_equal(both, [[1, 0, 0], [0, 1, 0]])
    stale = LOGPROBS.at[0, 0].add(-1.0)  # ratio e, held where A > 0
    np.testing.assert_array_equal(drawn(0, stale, share=1.0), [[0, 0, 0], [0, 1, 0]])
    assert not drawn(0, LOGPROBS, share=1.0, most=2.0).any()


def test_clip_cov_and_kl_cov_by_hand():
    ratio = jnp.array([[1.5, 1.1, 7.0], [1.0, 0.5, 7.0]])
    old = LOGPROBS - jnp.log(ratio)
    selected = jnp.array([[0, 1, 0], [0, 1, 0]], bool)
    rest = old, ADVANTAGES, MASK, selected
    losses = policy_losses.clip_cov(LOGPROBS, *rest)
    np.testing.assert_allclose(losses, [[-2.4, 0, 0], [0, 0, 0]], atol=1e-6)

    def total(x):
        return policy_losses.kl_cov(x, *rest, coef=0.1).sum()

    losses = policy_losses.kl_cov(LOGPROBS, *rest, coef=0.1)
    # -A ρ: -3, -1.1, 0, 0.5; ln 1.1 = 0.095310, |ln 0.5| = 0.693147
    np.testing.assert_allclose(losses, [[-3, -1.090469, 0], [0, 0.569315, 0]], atol=1e-6)
    gradient = jax.grad(total)(LOGPROBS)
    np.testing.assert_allclose(gradient, [[-3, -1.0, 0], [0, 0.4, 0]], atol=1e-6)
    on_policy = jax.grad(lambda x: policy_losses.kl_cov(x, LOGPROBS, *rest[1:]).sum())(LOGPROBS)
    np.testing.assert_allclose(on_policy, jnp.where(MASK, -ADVANTAGES, 0), atol=1e-6)
