"""PRIME's online implicit process reward model (arXiv 2502.01456).

A second policy is trained to tell right answers from wrong ones by its log-ratio to the
reference; that ratio, token by token, is a dense reward which needs no labels of steps.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import (
    log_ratio,
    outcome_cross_entropy,
    scale_by_largest_return,
)
from reasoning_jax.types import Rollouts


def implicit_token_rewards(logprobs: jax.Array, rollouts: Rollouts) -> jax.Array:
    """Log-ratios of the reward model to the reference, scaled; [B, T], 0 off ``loss_mask``.

    Scaled by the largest sum to come of the whole batch (PRIME's batch norm), where a factor β
    would cancel.
    """
    mask = rollouts.loss_mask
    log_ratios = log_ratio(logprobs, rollouts.ref_logprobs, mask)
    return jax.lax.stop_gradient(scale_by_largest_return(log_ratios, mask))


def implicit_loss(
    logprobs: jax.Array, rollouts: Rollouts, *, beta: float = 0.05
) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy with the verdict and whether the sign is right, both [B], 0 where unjudged.

    To average over judged rows. The verdict is ``correct``, whatever the shaped reward.
    """
    mask, judged = rollouts.loss_mask, _judged(rollouts)
    right = (rollouts.correct == 1).astype(jnp.float32)
    log_ratios = log_ratio(logprobs, rollouts.ref_logprobs, mask)
    losses = outcome_cross_entropy(log_ratios, mask, right, beta=beta)
    hits = (log_ratios.sum(axis=1) > 0) == (right == 1)
    return jnp.where(judged, losses, 0), judged & hits


def judged_share(rollouts: Rollouts) -> jax.Array:
    """[B] float32: 1/N on each of the N judged rows that take part, 0 elsewhere."""
    judged = _judged(rollouts)
    return judged / jnp.maximum(judged.sum(), 1).astype(jnp.float32)


def _judged(rollouts: Rollouts) -> jax.Array:
    return rollouts.row_mask & (rollouts.correct != -1)
