"""From the mask of the whole optimiser batch to one weight per token.

The loss is ``weighted_sum(token_losses, weights)``. Every denominator sits in the weights, which
are computed once from the whole batch; the sum is therefore the same however the batch is
cut into micro-batches or spread over devices. Rows without a sampled token count nowhere, and
a batch without any gives zeros.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def token_mean(mask: jax.Array) -> jax.Array:
    """1/N on each of the N sampled tokens of the batch (DAPO). [B, T] bool -> [B, T] float32."""
    return _divide(mask, mask.sum())


def seq_mean_token_mean(mask: jax.Array) -> jax.Array:
    """Mean over rows of the mean over a row's tokens (GRPO). [B, T] bool -> [B, T] float32."""
    return _divide(mask, mask.sum(axis=1, keepdims=True) * _rows(mask))


def seq_mean_token_sum(mask: jax.Array) -> jax.Array:
    """Mean over rows of the sum over a row's tokens (REINFORCE). [B, T] bool -> [B, T] float32."""
    return _divide(mask, _rows(mask))


def token_sum_constant(mask: jax.Array, *, max_length: int) -> jax.Array:
    """Sum over tokens / (rows * ``max_length``) (Dr. GRPO). [B, T] bool -> [B, T] float32.

    ``max_length`` is the generation cap in tokens, not the padded width of this batch.
    """
    if max_length <= 0:
        raise ValueError(f"max_length is {max_length}; give the generation cap in tokens, above 0")
    return _divide(mask, _rows(mask) * max_length)


def weighted_sum(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Σ weights * values over [B, T], blind to ``values`` where the weight is 0."""
    return jnp.sum(jnp.where(weights != 0, at_least_float32(values), 0) * weights)


def _rows(mask: jax.Array) -> jax.Array:
    return mask.any(axis=1).sum(dtype=jnp.float32)


def _divide(mask: jax.Array, denominator: jax.Array) -> jax.Array:
    return mask / jnp.maximum(denominator, 1).astype(jnp.float32)
