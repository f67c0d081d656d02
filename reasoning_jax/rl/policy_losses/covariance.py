"""Covariance of log-probability and advantage, token by token (arXiv 2505.22617)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.aggregate import token_mean, weighted_sum
from reasoning_jax.rl.numerics import at_least_float32, importance_ratio


def covariances(logprobs: jax.Array, advantages: jax.Array, mask: jax.Array) -> jax.Array:
    """(A - mean A)(log π - mean log π), means over ``mask``; [B, T], -inf off ``mask``.

    No gradient. The means are those of what is given: call it on the whole optimiser batch.
    """
    weights = token_mean(mask)

    def centred(values: jax.Array) -> jax.Array:
        values = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(values)), 0)
        return values - weighted_sum(values, weights)

    return jnp.where(mask, centred(advantages) * centred(logprobs), -jnp.inf)


def highest_covariances(
    logprobs: jax.Array, advantages: jax.Array, mask: jax.Array, *, share: float = 2e-4
) -> jax.Array:
    """The ⌊share · tokens⌋ tokens of highest covariance, at least one; [B, T] bool (KL-Cov)."""
    ranks = _ranks(-covariances(logprobs, advantages, mask))
    return mask & (ranks < _count(mask, share))


def covariances_in_band(
    key: jax.Array,
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    share: float = 2e-4,
    least: float = 1.0,
    most: float = 5.0,
    low: float = 0.2,
    high: float = 0.2,
) -> jax.Array:
    """⌊share · tokens⌋ tokens, at least one, drawn where least < covariance < most (Clip-Cov).

    Tokens that clipping at ``low`` and ``high`` holds already are not drawn. Fewer come back
    where fewer are in the band. [B, T] bool.
    """
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    held = jnp.where(advantages > 0, ratio > 1 + high, ratio < 1 - low)
    covariance = covariances(logprobs, advantages, mask)
    candidates = mask & ~held & (covariance > least) & (covariance < most)
    order = jnp.where(candidates, jax.random.uniform(key, mask.shape), jnp.inf)
    return candidates & (_ranks(order) < _count(mask, share))


def _ranks(values: jax.Array) -> jax.Array:
    order = jnp.argsort(values.ravel())
    ranks = jnp.zeros(order.shape, jnp.int32).at[order].set(jnp.arange(order.size))
    return ranks.reshape(values.shape)


def _count(mask: jax.Array, share: float) -> jax.Array:
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it is a part of the tokens, above 0 and at most 1")
    return jnp.maximum(jnp.floor(share * mask.sum()), 1)
