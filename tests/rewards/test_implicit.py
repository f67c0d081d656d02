"""The implicit reward model on Rollouts: values, gradients, padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rewards import implicit_loss, implicit_token_rewards
from reasoning_jax.rewards.implicit import judged_share
from reasoning_jax.types import Rollouts

NAN = jnp.nan
LOGPROBS = jnp.array([[9.0, -1.0, -2.0], [NAN, -0.5, NAN], [-1.0, -1.0, -1.0], [NAN] * 3])


@pytest.fixture
def rollouts():
    """Log-ratios 1, -0.5 of a right row, -2 of a wrong one, 1, 1, 1 of one without verdict."""
    mask = jnp.array([[0, 1, 1], [0, 1, 0], [1, 1, 1], [1, 1, 1]], bool)
    return Rollouts(
        tokens=jnp.zeros((4, 3), jnp.int32),
        lengths=jnp.full(4, 3),
        mask=mask,
        row_mask=jnp.array([True, True, True, False]),
        group_ids=jnp.zeros(4, jnp.int32),
        rewards=jnp.array([7.0, 7.0, 7.0, NAN]),
        correct=jnp.array([1, 0, -1, 1], jnp.int8),
        finished=jnp.ones(4, bool),
        sampler_logprobs=jnp.zeros((4, 3)),
        ref_logprobs=jnp.array([[NAN, -2.0, -1.5], [NAN, 1.5, NAN], [-2.0] * 3, [NAN] * 3]),
    )


def test_token_rewards_are_scaled_by_the_largest_return(rollouts):
    # sums to come: 0.5, -0.5 | -2 | 3, 2, 1
    found = implicit_token_rewards(LOGPROBS, rollouts)
    expected = np.array([[0, 1, -0.5], [0, -2, 0], [1, 1, 1], [0, 0, 0]]) / 3
    np.testing.assert_allclose(found, expected, atol=1e-6)
    gradient = jax.grad(lambda x: implicit_token_rewards(x, rollouts).sum())(LOGPROBS)
    assert not np.any(gradient)


def test_loss_by_hand(rollouts):
    # scores 2 · 0.5 of a right row, 2 · (-2) of a wrong one
    losses, hits = implicit_loss(LOGPROBS, rollouts, beta=2.0)
    expected = [-np.log(1 / (1 + np.exp(-1.0))), -np.log(1 / (1 + np.exp(-4.0))), 0, 0]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert hits.tolist() == [True, True, False, False]
    np.testing.assert_allclose(judged_share(rollouts), [0.5, 0.5, 0, 0])


def test_gradient_is_even_over_a_row_and_blind_to_padding(rollouts):
    def loss(logprobs):
        losses, _ = implicit_loss(logprobs, rollouts, beta=2.0)
        return jnp.sum(losses * judged_share(rollouts))

    # β (sigmoid(score) - label) / rows
    sigmoids = 1 / (1 + np.exp([-1.0, 4.0]))
    row, other = 2.0 * (sigmoids - [1, 0]) / 2
    expected = [[0, row, row], [0, other, 0], [0] * 3, [0] * 3]
    np.testing.assert_allclose(jax.grad(loss)(LOGPROBS), expected, rtol=1e-5)
