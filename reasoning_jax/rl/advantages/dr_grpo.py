"""Dr. GRPO: the reward centred within its group (arXiv 2503.20783)."""

import jax

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def dr_grpo(rollouts: Rollouts) -> jax.Array:
    """Reward - group mean on the row's sampled tokens, [B, T] float32.

    The other half of Dr. GRPO is the aggregation ``token_sum_constant``. Exactly 0 in a group
    whose rewards are all equal, a group of one included.
    """
    deviation = groups.deviation(rollouts.rewards, rollouts.group_ids, rollouts.row_mask)
    return spread(deviation, rollouts.loss_mask)
