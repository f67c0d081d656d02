"""REINFORCE++: returns whitened over the batch, without critic or group (arXiv 2501.03262)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.returns import returns_to_go
from reasoning_jax.rl.token_rewards import token_rewards
from reasoning_jax.rl.whiten import whiten
from reasoning_jax.types import Rollouts


def reinforce_plus_plus(
    rollouts: Rollouts, *, gamma: float = 1.0, kl_coef: float = 0.0
) -> jax.Array:
    """Whitened sum of the token rewards to come, [B, T] float32.

    The rewards are those of ``token_rewards``, a penalty of ``kl_coef`` on k1 included. The
    whole batch is the baseline: a group of equal rewards has no zero advantage.
    """
    mask = rollouts.loss_mask
    returns = returns_to_go(token_rewards(rollouts, kl_coef=kl_coef), mask, gamma=gamma)
    return jax.lax.stop_gradient(whiten(returns, mask).astype(jnp.float32))
