"""PPO's clipped surrogate (arXiv 1707.06347, equation 7), with separate ends as in DAPO."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32, importance_ratio


def clip(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    low: float = 0.2,
    high: float = 0.2,
) -> jax.Array:
    """max(-A ρ, -A clip(ρ, 1 - low, 1 + high)) with ρ = π/π_old; all [B, T], 0 off ``mask``.

    DAPO's clip-higher (arXiv 2503.14476) is ``high=0.28``.
    """
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    return clipped_surrogate(ratio, advantages, mask, low=low, high=high)


def clipped_surrogate(
    ratio: jax.Array, advantages: jax.Array, mask: jax.Array, *, low: float, high: float
) -> jax.Array:
    """max(-A ρ, -A clip(ρ, 1 - low, 1 + high)) of a given ``ratio`` ρ; all [B, T], 0 off ``mask``.

    The maximum is min(ρ, 1 + high) for A > 0 and max(ρ, 1 - low) for A < 0, times -A. Written
    with selections, since ``jnp.maximum`` halves the gradient at ties and so would lose some of
    it on policy, where ρ = 1, if a clip end were 0. ``ratio`` must be finite off ``mask``.
    """
    advantages = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(advantages)), 0)
    if_good = jnp.where(ratio > 1 + high, 1 + high, ratio)
    if_bad = jnp.where(ratio < 1 - low, 1 - low, ratio)
    return -advantages * jnp.where(advantages > 0, if_good, if_bad)
