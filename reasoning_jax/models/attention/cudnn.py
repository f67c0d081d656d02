"""Flash attention of cuDNN, for NVIDIA GPUs."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.attention.scores import visible
from reasoning_jax.models.attention.support import head_sharding, platform, refuse


def cudnn_attention(
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
    """Attention [B, T, H, D] by cuDNN; differentiable once; see ``attention``.

    Raises:
      ValueError: not on a GPU, not bfloat16 or float16, a soft cap, a head size that is no
        multiple of 8, or an odd length with segment ids.
    """
    refuse("cudnn", obstacles(q_BxTxHxD, segment_ids_BxT, softcap=softcap, mesh=mesh))
    q, k, v = q_BxTxHxD, k_BxTxKxD, v_BxTxKxD
    if mesh is not None and mesh.size > 1:
        sharding = head_sharding(mesh, k)
        q, k, v = (jax.lax.with_sharding_constraint(x, sharding) for x in (q, k, v))
    return jax.nn.dot_product_attention(
        q,
        k,
        v,
        scale=scale,
        is_causal=True,
        implementation="cudnn",
        **mask_arguments(q.shape[1], segment_ids_BxT, window),
    )


def obstacles(
    q_BxTxHxD: jax.Array,
    segment_ids_BxT: jax.Array | None,
    *,
    softcap: float | None,
    mesh: Mesh | None,
) -> dict[str, bool]:
    """What may keep cuDNN from this attention, and whether it does."""
    length, head_dim = q_BxTxHxD.shape[1], q_BxTxHxD.shape[3]
    where, dtype = platform(mesh), q_BxTxHxD.dtype
    odd = segment_ids_BxT is not None and length % 2 != 0
    return {
        f"it runs on gpu, not on {where}": where != "gpu",
        f"it needs bfloat16 or float16, not {dtype}; set the computation dtype": dtype
        not in (jnp.bfloat16, jnp.float16),
        f"it has no soft cap (attention_softcap = {softcap})": softcap is not None,
        f"head_dim {head_dim} is not a multiple of 8": head_dim % 8 != 0,
        f"with segment ids the length must be even, not {length}": odd,
    }


def mask_arguments(
    length: int, segment_ids_BxT: jax.Array | None, window: int | None
) -> dict[str, jax.Array | tuple[int, int]]:
    """What jax.nn.dot_product_attention needs beside causality.

    cuDNN knows windows but not segments, and no window together with a mask: segments bring
    a dense mask [B, 1, T, T] that holds the window too.
    """
    if segment_ids_BxT is not None:
        columns = jnp.arange(length)
        mask = visible(columns, columns, segment_ids_BxT, segment_ids_BxT, window)
        return {"mask": mask[:, None]}
    if window is not None and window < length:
        return {"local_window_size": (window - 1, 0)}  # keys before the query, after it
    return {}
