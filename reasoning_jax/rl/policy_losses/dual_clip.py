"""Dual-clip PPO: a bound on the loss of a token that became far likelier (arXiv 1912.09729)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.rl.policy_losses.clip import clip


def dual_clip(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    low: float = 0.2,
    high: float = 0.2,
    cap: float = 3.0,
) -> jax.Array:
    """``clip``, and at most -cap A where A < 0; all [B, T], 0 off ``mask``.

    Raises:
      ValueError: ``cap`` is not above 1, which would cut the gradient on policy.
    """
    if cap <= 1:
        raise ValueError(f"cap is {cap}; it bounds the ratio from above and must exceed 1")
    losses = clip(logprobs, old_logprobs, advantages, mask, low=low, high=high)
    advantages = jax.lax.stop_gradient(at_least_float32(advantages))
    capped = mask & (advantages < 0) & (losses > -cap * advantages)
    return jnp.where(capped, -cap * advantages, losses)
