"""Weights for tokens whose sampler and trainer disagree: w = π_old (trainer) / π (sampler).

All [B, T], 0 off ``mask``, without gradient: to multiply into the weights of the loss or the
advantages. Their count stays in the denominator, so that dropping tokens makes none heavier.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import (
    MAX_LOG_RATIO,
    at_least_float32,
    importance_ratio,
    log_ratio,
)


def uncorrected(old_logprobs: jax.Array, sampler_logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """1 on every token: sampler and trainer are taken for one policy."""
    return jnp.where(mask, jnp.ones_like(at_least_float32(old_logprobs)), 0)


def truncated_importance(
    old_logprobs: jax.Array, sampler_logprobs: jax.Array, mask: jax.Array, *, cap: float = 2.0
) -> jax.Array:
    """min(w, cap) per token (TIS). Small weights stay small."""
    weights = jnp.minimum(importance_ratio(old_logprobs, sampler_logprobs, mask), cap)
    return jax.lax.stop_gradient(jnp.where(mask, weights, 0))


def masked_importance(
    old_logprobs: jax.Array,
    sampler_logprobs: jax.Array,
    mask: jax.Array,
    *,
    low: float = 0.5,
    high: float = 5.0,
) -> jax.Array:
    """w within [low, high], 0 outside, per token (IcePop)."""
    weights = importance_ratio(old_logprobs, sampler_logprobs, mask)
    kept = mask & (weights >= low) & (weights <= high)
    return jax.lax.stop_gradient(jnp.where(kept, weights, 0))


def truncated_sequence_importance(
    old_logprobs: jax.Array, sampler_logprobs: jax.Array, mask: jax.Array, *, cap: float = 2.0
) -> jax.Array:
    """min(product of w over the row, cap), on every token of the row: unbiased below the cap."""
    row = log_ratio(old_logprobs, sampler_logprobs, mask).sum(axis=1, keepdims=True)
    weights = jnp.minimum(jnp.exp(jnp.clip(row, -MAX_LOG_RATIO, MAX_LOG_RATIO)), cap)
    return jax.lax.stop_gradient(jnp.where(mask, weights, 0))
