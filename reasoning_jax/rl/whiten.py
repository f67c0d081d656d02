"""Advantages brought to mean 0 and standard deviation 1 over the tokens of the whole batch."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def whiten(values: jax.Array, mask: jax.Array, *, ddof: int = 1, eps: float = 1e-8) -> jax.Array:
    """(value - mean) / √(variance + eps) over all tokens of ``mask``; [B, T], 0 off ``mask``.

    ``ddof`` 1 is the sample variance of most public code, 0 the population one. All 0 where the
    values are all equal, one or no token included.
    """
    values = jnp.where(mask, at_least_float32(values), 0)
    count = mask.sum(dtype=values.dtype)
    deviations = jnp.where(mask, values - values.sum() / jnp.maximum(count, 1), 0)
    variance = jnp.square(deviations).sum() / jnp.maximum(count - ddof, 1)
    lowest = jnp.min(values, where=mask, initial=jnp.inf)
    varies = lowest < jnp.max(values, where=mask, initial=-jnp.inf)
    return jnp.where(varies, deviations / jnp.sqrt(variance + eps), 0)
