"""OPO: the baseline that weighs rewards by length (arXiv 2505.23585)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def opo(rollouts: Rollouts) -> jax.Array:
    """Reward - Σ n_j r_j / Σ n_j over the group on the row's sampled tokens, [B, T] float32.

    n_j is the number of sampled tokens. Exactly 0 in a group whose rewards are all equal.
    """
    group = rollouts.group_ids, rollouts.row_mask
    rewards = at_least_float32(rollouts.rewards)
    lengths = rollouts.loss_mask.sum(axis=1)
    length = jnp.maximum(groups.mean(lengths, *group), jnp.finfo(jnp.float32).tiny)
    baseline = groups.mean(lengths * rewards, *group) / length
    constant = groups.constant(rewards, *group)
    return spread(jnp.where(constant, 0, rewards - baseline), rollouts.loss_mask)
