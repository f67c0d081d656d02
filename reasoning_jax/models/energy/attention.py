"""Attention of candidates: each sees the context before it and itself, and no other candidate.

Training differentiates the energy twice, and the fused kernels only once: what is here is plain
JAX, of which every derivative exists. The context alone may use any kernel.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from reasoning_jax.models.attention.scores import (
    masked_scores,
    masked_softmax,
    visible,
)

# Scores of one block pair, [B, H, 512, 512] float32, are the largest array.
BLOCK = 512


def candidate_attention(
    q_BxTxHxD: jax.Array,
    own_BxTxKxD: tuple[jax.Array, jax.Array],
    context_BxTxKxD: tuple[jax.Array, jax.Array],
    segment_ids_BxT: jax.Array | None = None,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | jax.Array | None = None,
    implementation: str = "xla",
) -> jax.Array:
    """Softmax attention [B, T, H, D] of candidate t over tokens s <= t of its segment and itself.

    Candidate t stands where token t + 1 will. One softmax runs over the context and the
    candidate's own key: no score of a later token is ever made.

    Args:
      q_BxTxHxD: of the candidates, rotated to positions t + 1.
      own_BxTxKxD: keys and values of the candidates.
      context_BxTxKxD: keys and values of the tokens, finite in padding too.
      scale, softcap: as in ``models.attention.attention``.
      window: how many last keys a candidate sees, itself included; may be traced.
      implementation: a name of ``CANDIDATE_ATTENTION``.
    """
    attend = CANDIDATE_ATTENTION[implementation]
    b, t, h, d = q_BxTxHxD.shape
    n_kv = own_BxTxKxD[0].shape[2]
    grouped = q_BxTxHxD.reshape(b, t, n_kv, h // n_kv, d)
    # From where token t + 1 will be, the window reaches one token less into the context.
    before = None if window is None else window - 1
    out = attend(grouped, own_BxTxKxD, context_BxTxKxD, segment_ids_BxT, scale, softcap, before)
    return out.reshape(b, t, h, d)


def _xla(q, own, context, segment_ids, scale, softcap, window) -> jax.Array:
    """All scores at once; q [B, T, K, G, D] -> [B, T, K, G, D]."""
    columns = jnp.arange(q.shape[1])
    seen = visible(columns, columns, segment_ids, segment_ids, window)
    products = jnp.concatenate([_products(q, context[0]), _own_products(q, own[0])], axis=-1)
    mask = jnp.concatenate([seen, jnp.ones_like(seen[..., :1])], axis=-1)
    weights = masked_softmax(products, mask[:, None, None], scale, softcap).astype(q.dtype)
    out = jnp.einsum("bkgts,bskd->btkgd", weights[..., :-1], context[1])
    return out + jnp.einsum("bkgt,btkd->btkgd", weights[..., -1], own[1])


def _blockwise(q, own, context, segment_ids, scale, softcap, window) -> jax.Array:
    """Blocks of the context with a running softmax that begins at the candidate itself."""
    length = q.shape[1]
    block = min(BLOCK, length)
    n_blocks = -(-length // block)

    def split(x: jax.Array) -> jax.Array:
        """[B, T, ...] -> [N, B, block, ...]; what is added lies after every query."""
        room = ((0, 0), (0, n_blocks * block - length)) + ((0, 0),) * (x.ndim - 2)
        x = jnp.pad(x, room)
        return x.reshape(x.shape[0], n_blocks, block, *x.shape[2:]).swapaxes(0, 1)

    arrays = jax.tree.map(split, (q, own, context, segment_ids))
    columns = jnp.arange(n_blocks * block).reshape(n_blocks, block)

    @functools.partial(jax.checkpoint, static_argnums=0)
    def attend(i: int, arrays) -> jax.Array:
        queries, own, context, segments = arrays
        query, (own_key, own_value) = queries[i], jax.tree.map(lambda x: x[i], own)
        query_segments = None if segments is None else segments[i]

        @functools.partial(jax.checkpoint, prevent_cse=False)
        def step(carry, keys):
            out, top, total = carry
            key_columns, (key, value), key_segments = keys
            seen = visible(columns[i], key_columns, query_segments, key_segments, window)
            scores = masked_scores(_products(query, key), seen[:, None, None], scale, softcap)
            # The result does not depend on the subtracted maximum, so it needs no gradient.
            new_top = jnp.maximum(top, jax.lax.stop_gradient(scores).max(axis=-1))
            shrink = jnp.exp(top - new_top)
            weights = jnp.exp(scores - new_top[..., None])
            added = jnp.einsum("bkgts,bskd->bkgtd", weights.astype(value.dtype), value)
            out = out * shrink[..., None] + added
            return (out, new_top, total * shrink + weights.sum(axis=-1)), None

        scores = masked_scores(_own_products(query, own_key), True, scale, softcap)[..., 0]
        top = jax.lax.stop_gradient(scores)
        weight = jnp.exp(scores - top)
        start = jnp.einsum("bkgt,btkd->bkgtd", weight, own_value.astype(weight.dtype))
        seen = jax.tree.map(lambda x: x[: i + 1], (columns, context, segments))
        (out, _, total), _ = jax.lax.scan(step, (start, top, weight), seen)
        return jnp.einsum("bkgtd->btkgd", out / total[..., None]).astype(query.dtype)

    blocks = [attend(i, arrays) for i in range(n_blocks)]
    return jnp.concatenate(blocks, axis=1)[:, :length]


def _products(q_BxTxKxGxD: jax.Array, key_BxSxKxD: jax.Array) -> jax.Array:
    """[B, K, G, T, S] float32."""
    return jnp.einsum(
        "btkgd,bskd->bkgts", q_BxTxKxGxD, key_BxSxKxD, preferred_element_type=jnp.float32
    )


def _own_products(q_BxTxKxGxD: jax.Array, key_BxTxKxD: jax.Array) -> jax.Array:
    """[B, K, G, T, 1] float32."""
    return jnp.einsum(
        "btkgd,btkd->bkgt", q_BxTxKxGxD, key_BxTxKxD, preferred_element_type=jnp.float32
    )[..., None]


#            memory
# xla        T²
# blockwise  T
CANDIDATE_ATTENTION: dict[str, Callable[..., jax.Array]] = {"xla": _xla, "blockwise": _blockwise}


def check_candidate_attention(name: str) -> None:
    """Raises ValueError on a name that is not of CANDIDATE_ATTENTION, with those that are."""
    if name not in CANDIDATE_ATTENTION:
        raise ValueError(
            f"attention of candidates is {name!r}, and must have a second derivative; choose one "
            f"of {', '.join(CANDIDATE_ATTENTION)}"
        )
