"""GRPO whose mean and deviation are those of the other samples, the default of NeMo-RL."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def leave_one_out(rollouts: Rollouts, *, eps: float = 1e-6) -> jax.Array:
    """(reward - mean of others) / (sample std of others + eps), [B, T] float32.

    Undivided where the others are all equal: a lone success or failure is not scaled. Exactly 0
    in a group whose rewards are all equal, a group of one included.
    """
    group = rollouts.group_ids, rollouts.row_mask
    size = groups.size(*group)
    deviation = groups.deviation(rollouts.rewards, *group)
    factor = size / jnp.maximum(size - 1, 1)
    # Around their own mean the others' squares sum to S - d² G/(G-1), S being the whole group's.
    squares = jnp.square(deviation)
    total = size * groups.mean(squares, *group)
    others = total - squares * factor
    equal = others <= 1e-6 * total  # what rounding leaves of 0
    scale = jnp.sqrt(jnp.where(equal, 1, others) / jnp.maximum(size - 2, 1))
    return spread(factor * deviation / jnp.where(equal, 1, scale + eps), rollouts.loss_mask)
