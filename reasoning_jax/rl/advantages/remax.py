"""ReMax: the reward of the greedy answer as baseline (arXiv 2310.10505)."""

import jax

from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def remax(rollouts: Rollouts, greedy_rewards: jax.Array) -> jax.Array:
    """Reward - reward of the greedy answer to the row's prompt, [B, T] float32.

    ``greedy_rewards`` is [B], one number per row; it stands apart because a greedy answer is
    not a sample to learn from.
    """
    advantages = at_least_float32(rollouts.rewards) - at_least_float32(greedy_rewards)
    return spread(advantages, rollouts.loss_mask)
