"""PPO's advantage for language models: GAE over token rewards, whitened (arXiv 2203.02155)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.advantages.gae import gae
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.token_rewards import token_rewards
from reasoning_jax.rl.whiten import whiten
from reasoning_jax.types import Rollouts


def ppo(
    rollouts: Rollouts, *, gamma: float = 1.0, lam: float = 0.95, kl_coef: float = 0.0
) -> jax.Array:
    """``gae`` of ``token_rewards`` and ``values``, whitened over the batch; [B, T] float32.

    The returns that the values are fitted to are those of ``gae``, before whitening.

    Raises:
      MissingField: there are no values.
    """
    require(rollouts, "ppo", "values")
    rewards = token_rewards(rollouts, kl_coef=kl_coef)
    mask = rollouts.loss_mask
    advantages, _ = gae(rewards, rollouts.values, mask, gamma=gamma, lam=lam)
    return whiten(advantages, mask).astype(jnp.float32)
