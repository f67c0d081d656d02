"""Masked grouped-query attention, over a whole sequence or over a key-value cache."""

import jax
import jax.numpy as jnp

# Finite, so that a row with no visible key gives a mean of values, never nan.
MASKED = -1e30


def causal_mask(
    length: int, segment_ids_BxT: jax.Array | None, window: int | None = None
) -> jax.Array:
    """[B or 1, T, T] bool: query t sees key s <= t of its own segment, within the window."""
    query = jnp.arange(length)[:, None]
    key = jnp.arange(length)[None, :]
    mask = key <= query
    if window is not None:
        mask &= key > query - window
    mask = mask[None]
    if segment_ids_BxT is not None:
        mask &= segment_ids_BxT[:, :, None] == segment_ids_BxT[:, None, :]
        mask &= segment_ids_BxT[:, None, :] > 0
    return mask


def attention(
    q_BxTxHxD: jax.Array,
    k_BxSxKxD: jax.Array,
    v_BxSxKxD: jax.Array,
    mask_BxTxS: jax.Array,
    *,
    scale: float,
    softcap: float | None,
) -> jax.Array:
    """Softmax attention [B, T, H, D]; query head h reads key head h // (H / K).

    Scores and softmax are float32; the soft cap comes before the mask.
    """
    b, t, h, d = q_BxTxHxD.shape
    n_kv = k_BxSxKxD.shape[2]
    q = q_BxTxHxD.reshape(b, t, n_kv, h // n_kv, d)
    scores = jnp.einsum("btkgd,bskd->bkgts", q, k_BxSxKxD, preferred_element_type=jnp.float32)
    weights = masked_softmax(scores, mask_BxTxS[:, None, None], scale, softcap)
    out = jnp.einsum("bkgts,bskd->btkgd", weights.astype(v_BxSxKxD.dtype), v_BxSxKxD)
    return out.reshape(b, t, h, d)


def masked_softmax(
    scores: jax.Array, mask: jax.Array, scale: float, softcap: float | None
) -> jax.Array:
    """Softmax over the last axis of scaled, capped, masked float32 scores."""
    scores = scores * scale
    if softcap is not None:
        scores = softcap * jnp.tanh(scores / softcap)
    return jax.nn.softmax(jnp.where(mask, scores, MASKED), axis=-1)
