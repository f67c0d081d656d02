"""The lead of a group's best sample, for pass@k and max@k (arXiv 2503.19595)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def best_of_group(rollouts: Rollouts, *, ddof: int = 1, eps: float = 1e-6) -> jax.Array:
    """(Best - second best reward) / (group std + eps) on the best row, 0 on all others.

    [B, T] float32. Where two share the best reward nobody leads and all is 0: of binary
    rewards only groups with exactly one success teach. A group of one is 0 too.
    """
    group = rollouts.group_ids, rollouts.row_mask
    rewards = jnp.where(rollouts.row_mask, at_least_float32(rollouts.rewards), -jnp.inf)

    def group_max(values: jax.Array) -> jax.Array:
        return jax.ops.segment_max(values, rollouts.group_ids, len(values))[rollouts.group_ids]

    leads = rollouts.row_mask & (rewards == group_max(rewards))
    second = group_max(jnp.where(leads, -jnp.inf, rewards))
    alone = groups.mean(leads, *group) * groups.size(*group) < 1.5
    counts = leads & alone & (second > -jnp.inf)
    lead = jnp.where(counts, rewards, 0) - jnp.where(counts, second, 0)
    scale = groups.std(rollouts.rewards, *group, ddof=ddof) + eps
    return spread(lead / scale, rollouts.loss_mask)
