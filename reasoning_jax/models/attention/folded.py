"""Attention for CPUs: few large products of matrices, and no scores kept for the backward pass.

The query heads that share a key head are folded into the rows of one product, as grouped-query
attention (arXiv:2305.13245) allows; blocks of queries meet only the keys they can see; keys and
values are transposed once, not once a product. The backward pass makes the scores again from the
row normalisers, as FlashAttention (arXiv:2205.14135) does.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.attention.scores import masked_scores, visible

# More blocks leave out more of the half that causality hides; each is one more set of products.
SMALLEST_BLOCK = 64
MOST_BLOCKS = 8


def folded_attention(
    q_BxTxHxD: jax.Array,
    k_BxTxKxD: jax.Array,
    v_BxTxKxD: jax.Array,
    segment_ids_BxT: jax.Array | None = None,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | None = None,
    mesh: Mesh | None = None,
) -> jax.Array:
    """Attention [B, T, H, D], differentiable in reverse mode only; see ``attention``.

    The largest array is the scores of one block of queries: T / 8 of them, at least 64.
    """
    b, length, h, d = q_BxTxHxD.shape
    n_kv = k_BxTxKxD.shape[2]
    mask = _Mask(length, scale, softcap, window)
    q_BxKxGxTxD = q_BxTxHxD.reshape(b, length, n_kv, h // n_kv, d).transpose(0, 2, 3, 1, 4)
    k_BxKxTxD, v_BxKxTxD = (x.transpose(0, 2, 1, 3) for x in (k_BxTxKxD, v_BxTxKxD))
    out_BxKxGxTxD = _attend(mask, q_BxKxGxTxD, k_BxKxTxD, v_BxKxTxD, segment_ids_BxT)
    return out_BxKxGxTxD.transpose(0, 3, 1, 2, 4).reshape(b, length, h, d)


@dataclasses.dataclass(frozen=True)
class _Mask:
    """Which scores there are, block of queries by block, and how they are made of q·k."""

    length: int
    scale: float
    softcap: float | None
    window: int | None

    def blocks(self) -> list[tuple[slice, slice]]:
        """Columns of the queries of each block, and of the keys that some of them sees."""
        size = max(-(-self.length // MOST_BLOCKS), SMALLEST_BLOCK)
        blocks = []
        for start in range(0, self.length, size):
            stop = min(start + size, self.length)
            first = 0 if self.window is None else max(0, start - self.window + 1)
            blocks.append((slice(start, stop), slice(first, stop)))
        return blocks

    def scores(
        self, q_BxKxRxD: jax.Array, k_BxKxDxT: jax.Array, block: tuple[slice, slice], segments
    ) -> tuple[jax.Array, jax.Array | float]:
        """Masked scores [B, K, R, keys] of a block, and their derivative by the products.

        The rows R are the query heads of a key head, each with the queries of the block.
        """
        products = _product(q_BxKxRxD, k_BxKxDxT[..., block[1]])
        slope = self.scale
        if self.softcap is not None:
            slope *= 1 - jnp.tanh(products * self.scale / self.softcap) ** 2
        columns = (jnp.arange(s.start, s.stop) for s in block)
        seen = [None if segments is None else segments[:, s] for s in block]
        mask = visible(*columns, *seen, self.window)[:, None, None]
        by_head = products.reshape(*products.shape[:2], -1, *mask.shape[-2:])
        scores = masked_scores(by_head, mask, self.scale, self.softcap)
        return scores.reshape(products.shape), slope


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(mask: _Mask, q_BxKxGxTxD, k_BxKxTxD, v_BxKxTxD, segments_BxT) -> jax.Array:
    """Attention [B, K, G, T, D]."""
    return _forward(mask, q_BxKxGxTxD, k_BxKxTxD, v_BxKxTxD, segments_BxT)[0]


def _forward(mask: _Mask, q, k, v, segments):
    transposed = k.swapaxes(2, 3)
    out, normalisers = [], []
    for block in mask.blocks():
        queries, keys = block
        scores, _ = mask.scores(_rows(q[..., queries, :]), transposed, block, segments)
        top = jnp.max(scores, axis=-1, keepdims=True)
        weights = jnp.exp(scores - top)
        total = jnp.sum(weights, axis=-1, keepdims=True)
        block_out = _product(weights.astype(v.dtype), v[:, :, keys]) / total
        out.append(_heads(block_out, q.shape[2]).astype(q.dtype))
        normalisers.append(_heads(top + jnp.log(total), q.shape[2]))
    out = jnp.concatenate(out, axis=3)
    return out, (q, k, v, segments, out, jnp.concatenate(normalisers, axis=3))


def _backward(mask: _Mask, saved, d_out):
    q, k, v, segments, out, normaliser = saved
    k_transposed, v_transposed = k.swapaxes(2, 3), v.swapaxes(2, 3)
    d_q = []
    # Transposed, [B, K, D, T]: of the two operands the smaller one changes its order.
    d_k, d_v = (jnp.zeros(k_transposed.shape, normaliser.dtype) for _ in range(2))
    for block in mask.blocks():
        queries, keys = block
        rows, d_rows, out_rows, top = (
            _rows(x[..., queries, :]) for x in (q, d_out, out, normaliser)
        )
        scores, slope = mask.scores(rows, k_transposed, block, segments)
        weights = jnp.exp(scores - top)
        d_v = d_v.at[..., keys].add(_product(d_rows.swapaxes(2, 3), weights.astype(q.dtype)))
        drift = jnp.sum(d_rows.astype(d_v.dtype) * out_rows, axis=-1, keepdims=True)
        d_scores = weights * (_product(d_rows, v_transposed[..., keys]) - drift) * slope
        d_scores = d_scores.astype(q.dtype)
        d_q.append(_heads(_product(d_scores, k[:, :, keys]), q.shape[2]).astype(q.dtype))
        d_k = d_k.at[..., keys].add(_product(rows.swapaxes(2, 3), d_scores))
    d_k, d_v = (x.swapaxes(2, 3).astype(q.dtype) for x in (d_k, d_v))
    return jnp.concatenate(d_q, axis=3), d_k, d_v, None


_attend.defvjp(_forward, _backward)


def _rows(x_BxKxGxQxD: jax.Array) -> jax.Array:
    """[B, K, G * Q, D]."""
    b, k, g, queries, d = x_BxKxGxQxD.shape
    return x_BxKxGxQxD.reshape(b, k, g * queries, d)


def _heads(x_BxKxRxD: jax.Array, group: int) -> jax.Array:
    """[B, K, G, Q, D]."""
    b, k, _, d = x_BxKxRxD.shape
    return x_BxKxRxD.reshape(b, k, group, -1, d)


def _product(x: jax.Array, y: jax.Array) -> jax.Array:
    """Summed up in float32 or wider."""
    return jnp.matmul(x, y, preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
