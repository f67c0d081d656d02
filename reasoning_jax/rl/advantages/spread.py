"""One advantage per row, spread over the tokens of the row."""

import jax
import jax.numpy as jnp


def spread(row_advantages: jax.Array, mask: jax.Array) -> jax.Array:
    """[B] advantages -> [B, T] float32: the row's where ``mask``, 0 elsewhere, no gradient."""
    tokens = jnp.where(mask, row_advantages[:, None], 0)
    return jax.lax.stop_gradient(tokens.astype(jnp.float32))
