"""A discriminative process reward model: whether each step is right, by a head at its end.

PURE's (arXiv 2504.15275) and Math-Shepherd's kind (arXiv 2312.08935); log-odds are those of
``models.heads.step_scores``.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.rl.steps import steps_taking_part
from reasoning_jax.types import Rollouts


def judged_steps(log_odds: jax.Array) -> jax.Array:
    """p(right) - p(wrong) in (-1, 1) of log-odds, any shape; without gradient."""
    return jax.lax.stop_gradient(jnp.tanh(at_least_float32(log_odds) / 2))


def judge_loss(log_odds: jax.Array, rollouts: Rollouts) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy of each step with its label and whether its sign is right, both [B, S].

    Labels are ``step_labels``. Both 0 off the steps that take part: to
    sum with ``step_share``.
    """
    present = steps_taking_part(rollouts)
    log_odds = jnp.where(present, at_least_float32(log_odds), 0)
    right = rollouts.step_labels
    losses = -jax.nn.log_sigmoid(jnp.where(right, log_odds, -log_odds))
    return jnp.where(present, losses, 0), present & ((log_odds > 0) == right)


def step_share(rollouts: Rollouts) -> jax.Array:
    """[B, S] float32: 1/N on each of the N steps that take part, 0 elsewhere."""
    present = steps_taking_part(rollouts)
    return present / jnp.maximum(present.sum(), 1).astype(jnp.float32)
