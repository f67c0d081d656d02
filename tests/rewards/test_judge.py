"""The judge of steps: loss and gradient by hand, blind to what is no step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rewards import judge_loss, judged_steps, step_share
from reasoning_jax.rl import shapers
from reasoning_jax.rl.softmin import score_of_logits
from reasoning_jax.types import Rollouts

NAN = jnp.nan
LOG_ODDS = jnp.array([[1.0, -2.0, NAN], [0.5, NAN, NAN], [3.0, 3.0, 3.0]])


@pytest.fixture
def rollouts():
    """Two steps, right and right; one, wrong; a row that is out."""
    return Rollouts(
        tokens=jnp.zeros((3, 4), jnp.int32),
        lengths=jnp.full(3, 4),
        mask=jnp.ones((3, 4), bool),
        row_mask=jnp.array([True, True, False]),
        group_ids=jnp.zeros(3, jnp.int32),
        rewards=jnp.zeros(3),
        correct=jnp.zeros(3, jnp.int8),
        finished=jnp.ones(3, bool),
        sampler_logprobs=jnp.zeros((3, 4)),
        step_mask=jnp.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]], bool),
        step_labels=jnp.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], bool),
    )


def test_loss_by_hand(rollouts):
    losses, hits = judge_loss(LOG_ODDS, rollouts)
    expected = np.log1p(np.exp([-1.0, 2.0, 0.5]))
    np.testing.assert_allclose(losses[0, :2], expected[:2], rtol=1e-6)
    np.testing.assert_allclose(losses[1, 0], expected[2], rtol=1e-6)
    assert not losses[2].any() and losses[0, 2] == 0
    assert hits.tolist() == [[True, False, False], [False] * 3, [False] * 3]
    np.testing.assert_allclose(step_share(rollouts).sum(), 1, rtol=1e-6)


def test_gradient_is_finite_and_only_of_steps(rollouts):
    def loss(log_odds):
        return jnp.sum(judge_loss(log_odds, rollouts)[0] * step_share(rollouts))

    # (sigmoid(log-odds) - label) / steps
    expected = np.zeros((3, 3))
    expected[0, :2] = 1 / (1 + np.exp([-1.0, 2.0])) - 1
    expected[1, 0] = 1 / (1 + np.exp(-0.5))
    np.testing.assert_allclose(jax.grad(loss)(LOG_ODDS), expected / 3, rtol=1e-5)


def test_scores_are_those_of_two_classes():
    logits = jnp.array([[0.3, 1.1], [2.0, -1.0]])
    np.testing.assert_allclose(
        judged_steps(logits[:, 1] - logits[:, 0]), score_of_logits(logits), rtol=1e-6
    )


def test_a_shaper_puts_scores_in_place_of_labels(rollouts):
    rollouts = rollouts.replace(step_rewards=jnp.zeros((3, 3)), step_scores=jnp.ones((3, 3)))
    assert shapers.judged(rollouts).step_rewards.all()
    with pytest.raises(ValueError, match="step_scores is None"):
        shapers.judged(rollouts.replace(step_scores=None))
