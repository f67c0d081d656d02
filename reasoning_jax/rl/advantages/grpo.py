"""GRPO: the reward standardised within its group (arXiv 2402.03300, section 4.1.2)."""

import jax

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def grpo(rollouts: Rollouts, *, ddof: int = 1, eps: float = 1e-6) -> jax.Array:
    """(reward - group mean) / (group std + eps) on the row's sampled tokens, [B, T] float32.

    ``ddof`` 1 is the sample standard deviation of most public code, 0 the population one.
    Exactly 0 in a group whose rewards are all equal, a group of one included.
    """
    group = rollouts.group_ids, rollouts.row_mask
    standardised = groups.standardise(rollouts.rewards, *group, ddof=ddof, eps=eps)
    return spread(standardised, rollouts.loss_mask)
