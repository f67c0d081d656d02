"""Positive and negative sample reinforcement, apart and weighted (arXiv 2506.01347)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def psr(rollouts: Rollouts) -> jax.Array:
    """1 on right rows, 0 on others, [B, T] float32; with ``filters.right`` those leave the loss."""
    return _by_verdict(rollouts, right=1.0, wrong=0.0)


def nsr(rollouts: Rollouts) -> jax.Array:
    """-1 on wrong rows, 0 on others, [B, T] float32; with ``filters.wrong`` those leave the loss.

    Without a positive part nothing anchors the policy: watch entropy and length.
    """
    return _by_verdict(rollouts, right=0.0, wrong=-1.0)


def w_reinforce(rollouts: Rollouts, *, positive: float = 0.1) -> jax.Array:
    """``positive`` on right rows, -1 on wrong ones, [B, T] float32: no baseline, nobody left out.

    ``positive`` is the paper's λ. Rows that cannot be judged get 0.
    """
    return _by_verdict(rollouts, right=positive, wrong=-1.0)


def _by_verdict(rollouts: Rollouts, *, right: float, wrong: float) -> jax.Array:
    by_row = jnp.where(rollouts.correct == 1, right, jnp.where(rollouts.correct == 0, wrong, 0))
    return spread(by_row, rollouts.loss_mask)
