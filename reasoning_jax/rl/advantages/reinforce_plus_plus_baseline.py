"""REINFORCE++-baseline: group mean off, then whitened over the batch (arXiv 2501.03262)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.advantages.dr_grpo import dr_grpo
from reasoning_jax.rl.whiten import whiten
from reasoning_jax.types import Rollouts


def reinforce_plus_plus_baseline(rollouts: Rollouts) -> jax.Array:
    """(Reward - group mean), whitened over all sampled tokens of the batch, [B, T] float32.

    Tokens, not rows, are whitened, as in most public code: long rows weigh more. Groups of equal
    rewards count in the statistics and are 0 only up to the batch mean.
    """
    centred = dr_grpo(rollouts)
    return jax.lax.stop_gradient(whiten(centred, rollouts.loss_mask).astype(jnp.float32))
