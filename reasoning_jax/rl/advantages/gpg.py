"""GPG: centred rewards, made up for groups that teach nothing (arXiv 2504.02546)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def gpg(rollouts: Rollouts) -> jax.Array:
    """α (reward - group mean) on the row's sampled tokens, [B, T] float32.

    α is all rows over the rows of groups whose rewards differ, so that the gradient keeps its
    size however many groups are solved or hopeless. (verl divides by the rows whose reward is
    not 0 instead.) Used with ``policy_losses.reinforce``.
    """
    group = rollouts.group_ids, rollouts.row_mask
    varies = rollouts.row_mask & ~groups.constant(rollouts.rewards, *group)
    alpha = rollouts.row_mask.sum() / jnp.maximum(varies.sum(), 1)
    return spread(alpha * groups.deviation(rollouts.rewards, *group), rollouts.loss_mask)
