"""ReMax: the reward of the greedy answer as baseline (arXiv 2310.10505)."""

import jax

from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def remax(rollouts: Rollouts) -> jax.Array:
    """Reward - ``greedy_rewards`` of the row's prompt, [B, T] float32.

    The greedy answer is not a sample to learn from, so it is no row of its own.

    Raises:
      MissingField: there are no rewards of greedy answers.
    """
    require(rollouts, "remax", "greedy_rewards")
    advantages = at_least_float32(rollouts.rewards) - at_least_float32(rollouts.greedy_rewards)
    return spread(advantages, rollouts.loss_mask)
