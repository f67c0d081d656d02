"""Rewards implied by a model's log-ratio to its reference (arXiv 2412.01981, 2502.01456)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.rl.returns import returns_to_go


def outcome_cross_entropy(
    log_ratios: jax.Array, mask: jax.Array, outcomes: jax.Array, *, beta: float = 0.05
) -> jax.Array:
    """Cross-entropy of sigmoid(β Σ_t log-ratio) and the outcome, [B]: to average over rows.

    Args:
      log_ratios: [B, T] log π/π_ref of the reward model.
      outcomes: [B] in [0, 1]; shares of tests passed are soft labels.
    """
    scores = beta * jnp.where(mask, at_least_float32(log_ratios), 0).sum(axis=1)
    outcomes = at_least_float32(outcomes)
    return -outcomes * jax.nn.log_sigmoid(scores) - (1 - outcomes) * jax.nn.log_sigmoid(-scores)


def scale_by_largest_return(
    token_rewards: jax.Array, mask: jax.Array, *, eps: float = 1e-6
) -> jax.Array:
    """Token rewards / (largest |sum to come| of the batch + eps); [B, T], 0 off ``mask``.

    PRIME's normalisation of raw log-ratios; a factor β would cancel. Given the whole batch.
    """
    largest = jnp.max(jnp.abs(returns_to_go(token_rewards, mask)), initial=0)
    return jnp.where(mask, at_least_float32(token_rewards), 0) / (largest + eps)
