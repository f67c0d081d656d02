"""Dense attention: all scores at once, for the compiler to fuse."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.attention.scores import masked_softmax, visible


def xla_attention(
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
    """Attention [B, T, H, D] with float32 scores [B, H, T, T]; see ``attention``."""
    b, t, h, d = q_BxTxHxD.shape
    n_kv = k_BxTxKxD.shape[2]
    columns = jnp.arange(t)
    mask = visible(columns, columns, segment_ids_BxT, segment_ids_BxT, window)
    q = q_BxTxHxD.reshape(b, t, n_kv, h // n_kv, d)
    products = jnp.einsum("btkgd,bskd->bkgts", q, k_BxTxKxD, preferred_element_type=jnp.float32)
    weights = masked_softmax(products, mask[:, None, None], scale, softcap)
    out = jnp.einsum("bkgts,bskd->btkgd", weights.astype(v_BxTxKxD.dtype), v_BxTxKxD)
    return out.reshape(b, t, h, d)
