"""What every implementation in plain JAX shares: who sees whom, and scores made of q·k."""

import jax
import jax.numpy as jnp

# Finite, so that a row with no visible key gives a mean of values, never nan.
MASKED = -1e30


def visible(
    queries_T: jax.Array,
    keys_S: jax.Array,
    query_segments_BxT: jax.Array | None,
    key_segments_BxS: jax.Array | None,
    window: int | None,
) -> jax.Array:
    """[B or 1, T, S] bool: key not after the query, of its segment, within its window.

    Args:
      queries_T, keys_S: columns of the queries and keys.
      query_segments_BxT, key_segments_BxS: their segments, both or neither.
    """
    query, key = queries_T[:, None], keys_S[None, :]
    mask = key <= query
    if window is not None:
        mask &= key > query - window
    mask = mask[None]
    if query_segments_BxT is not None:
        mask &= query_segments_BxT[:, :, None] == key_segments_BxS[:, None, :]
    return mask


def masked_scores(
    products: jax.Array, mask: jax.Array, scale: float, softcap: float | None
) -> jax.Array:
    """Scaled, then capped, then masked float32 scores of q·k."""
    scores = products * scale
    if softcap is not None:
        scores = softcap * jnp.tanh(scores / softcap)
    return jnp.where(mask, scores, MASKED)


def masked_softmax(
    products: jax.Array, mask: jax.Array, scale: float, softcap: float | None
) -> jax.Array:
    """Softmax over the last axis of ``masked_scores``."""
    return jax.nn.softmax(masked_scores(products, mask, scale, softcap), axis=-1)
