"""RLOO: the reward minus the mean reward of the other samples (arXiv 2402.14740)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def rloo(rollouts: Rollouts) -> jax.Array:
    """Reward - mean of the G - 1 others on the row's sampled tokens, [B, T] float32.

    Computed as G/(G-1) (reward - group mean), which is the same. Exactly 0 in a group whose
    rewards are all equal, a group of one included.
    """
    group = rollouts.group_ids, rollouts.row_mask
    size = groups.size(*group)
    deviation = groups.deviation(rollouts.rewards, *group)
    return spread(size / jnp.maximum(size - 1, 1) * deviation, rollouts.loss_mask)
