"""Attention over blocks of keys with a running softmax: memory linear in the length.

The online softmax of Milakov and Gimelshein (arXiv:1805.02867) in the blocks of
FlashAttention (arXiv:2205.14135), in plain JAX: every derivative of every order exists.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.attention.scores import MASKED, masked_scores, visible

# Scores of one block pair, [B, H, 512, 512] float32, are the largest array.
BLOCK = 512


def blockwise_attention(
    q_BxTxHxD: jax.Array,
    k_BxTxKxD: jax.Array,
    v_BxTxKxD: jax.Array,
    segment_ids_BxT: jax.Array | None = None,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | None = None,
    mesh: Mesh | None = None,
    block: int = BLOCK,
) -> jax.Array:
    """Attention [B, T, H, D] that never holds a [T, T] array; see ``attention``.

    Blocks of keys that no query of a block sees, by causality and window, are not computed.
    The backward pass recomputes the scores, one block of queries at a time.

    Args:
      block: queries and keys of a block; T need not be a multiple.
    """
    b, length, h, d = q_BxTxHxD.shape
    n_kv = k_BxTxKxD.shape[2]
    block = min(block, length)
    n_blocks = -(-length // block)
    room = n_blocks * block - length

    def split(x_BxT: jax.Array) -> jax.Array:
        """[B, T, ...] -> [N, B, block, ...]; what is added lies after every query."""
        x = jnp.pad(x_BxT, ((0, 0), (0, room)) + ((0, 0),) * (x_BxT.ndim - 2))
        return x.reshape(b, n_blocks, block, *x.shape[2:]).swapaxes(0, 1)

    queries = split(q_BxTxHxD.reshape(b, length, n_kv, h // n_kv, d))
    keys, values = split(k_BxTxKxD), split(v_BxTxKxD)
    segments = None if segment_ids_BxT is None else split(segment_ids_BxT)
    columns = jnp.arange(n_blocks * block).reshape(n_blocks, block)

    @functools.partial(jax.checkpoint, static_argnums=0)
    def attend(i: int, queries, keys, values, segments) -> jax.Array:
        """Block i of the output, [B, block, K, G, D]."""
        query, query_segments = jax.tree.map(lambda x: x[i], (queries, segments))

        @functools.partial(jax.checkpoint, prevent_cse=False)
        def step(carry, xs):
            out, top, total = carry
            key_columns, key, value, key_segments = xs
            mask = visible(columns[i], key_columns, query_segments, key_segments, window)
            products = jnp.einsum(
                "bqkgd,bskd->bkgqs", query, key, preferred_element_type=jnp.float32
            )
            scores = masked_scores(products, mask[:, None, None], scale, softcap)
            # The result does not depend on the subtracted maximum, so it needs no gradient.
            new_top = jnp.maximum(top, jax.lax.stop_gradient(scores).max(axis=-1))
            shrink = jnp.exp(top - new_top)
            weights = jnp.exp(scores - new_top[..., None])
            added = jnp.einsum(
                "bkgqs,bskd->bkgqd",
                weights.astype(value.dtype),
                value,
                preferred_element_type=jnp.float32,
            )
            out = out * shrink[..., None] + added
            return (out, new_top, total * shrink + weights.sum(axis=-1)), None

        rows = (b, n_kv, h // n_kv, block)
        start = (
            jnp.zeros((*rows, d), jnp.float32),
            jnp.full(rows, MASKED, jnp.float32),
            jnp.zeros(rows, jnp.float32),
        )
        first = 0 if window is None else max(0, (i * block - window + 1) // block)
        seen = jax.tree.map(lambda x: x[first : i + 1], (columns, keys, values, segments))
        (out, _, total), _ = jax.lax.scan(step, start, seen)
        return jnp.einsum("bkgqd->bqkgd", out / total[..., None]).astype(q_BxTxHxD.dtype)

    blocks = [attend(i, queries, keys, values, segments) for i in range(n_blocks)]
    return jnp.concatenate(blocks, axis=1)[:, :length].reshape(b, length, h, d)
