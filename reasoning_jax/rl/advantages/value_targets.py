"""What value estimates are fitted to."""

import jax

from reasoning_jax.rl.advantages.gae import gae
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.token_rewards import token_rewards
from reasoning_jax.types import Rollouts


def value_targets(
    rollouts: Rollouts, *, gamma: float = 1.0, lam: float = 0.95, kl_coef: float = 0.0
) -> jax.Array:
    """Returns of ``gae`` over ``token_rewards``, [B, T] float32, 0 off ``loss_mask``.

    With the keywords of ``ppo`` they are advantage + value before whitening; ``lam`` 1 makes
    them the discounted sums of rewards to come (VC-PPO, arXiv 2503.01491).

    Raises:
      MissingField: there are no values.
    """
    require(rollouts, "value_targets", "values")
    rewards = token_rewards(rollouts, kl_coef=kl_coef)
    return gae(rewards, rollouts.values, rollouts.loss_mask, gamma=gamma, lam=lam)[1]
