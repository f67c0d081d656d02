"""Splash attention: the sparse flash-attention kernel of Pallas for TPUs."""

import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu import splash_attention as pallas
from jax.sharding import Mesh, PartitionSpec

from reasoning_jax.models.attention.support import head_sharding, platform, refuse

# Keys lie in the lanes of a TPU: blocks are multiples of it.
LANES = 128
LARGEST_BLOCK = 512


def splash_attention(
    q_BxTxHxD: jax.Array,
    k_BxTxKxD: jax.Array,
    v_BxTxKxD: jax.Array,
    segment_ids_BxT: jax.Array | None = None,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | None = None,
    mesh: Mesh | None = None,
    interpret: bool = False,
) -> jax.Array:
    """Attention [B, T, H, D] by a TPU kernel; differentiable once; see ``attention``.

    Over a mesh every device runs the kernel on its rows and heads.

    Args:
      interpret: run the kernel in the interpreter of Pallas, on any platform, slowly.

    Raises:
      ValueError: not on a TPU.
    """
    where = platform(mesh)
    refuse("splash", {f"it runs on tpu, not on {where}": where != "tpu" and not interpret})

    def attend(q, k, v, segment_ids):
        length, n_heads = q.shape[1:3]
        block = block_size(length)
        room = -length % block
        kernel = make_kernel(length + room, n_heads, block, softcap, window, interpret)

        def one_row(q, k, v, segments):
            ids = None if segments is None else pallas.SegmentIds(segments, segments)
            return kernel(q, k, v, ids)

        def heads_first(x):
            return jnp.pad(x, ((0, 0), (0, room), (0, 0), (0, 0))).swapaxes(1, 2)

        if segment_ids is not None:
            segment_ids = jnp.pad(segment_ids, ((0, 0), (0, room)))
        # The kernel does not scale.
        q = (q * scale).astype(q.dtype)
        out = jax.vmap(one_row)(heads_first(q), heads_first(k), heads_first(v), segment_ids)
        return out.swapaxes(1, 2)[:, :length]

    arguments = (q_BxTxHxD, k_BxTxKxD, v_BxTxKxD, segment_ids_BxT)
    if mesh is None or mesh.size == 1:
        return attend(*arguments)
    spec = head_sharding(mesh, k_BxTxKxD).spec
    segment_spec = None if segment_ids_BxT is None else PartitionSpec(spec[0], None)
    return jax.shard_map(
        attend,
        mesh=mesh,
        in_specs=(spec, spec, spec, segment_spec),
        out_specs=spec,
        check_vma=False,  # kernels do not say over which axes their output varies
    )(*arguments)


def block_size(length: int) -> int:
    """Queries and keys of a block: the sequence in whole lanes, up to LARGEST_BLOCK."""
    return min(-(-length // LANES) * LANES, LARGEST_BLOCK)


def make_kernel(
    length: int,
    n_heads: int,
    block: int,
    softcap: float | None,
    window: int | None,
    interpret: bool = False,
) -> pallas.splash_attention_kernel.SplashAttentionKernel:
    """The kernel of q [H, T, D], k and v [K, T, D] and segments; blocks it can skip are known."""
    if window is None:
        mask = pallas.CausalMask((length, length))
    else:
        mask = pallas.LocalMask((length, length), window_size=(window - 1, 0), offset=0)
    return pallas.make_splash_mha_single_device(
        mask=pallas.MultiHeadMask([mask] * n_heads),
        block_sizes=pallas.BlockSizes(
            block_q=block,
            block_kv=block,
            block_kv_compute=block,
            block_q_dkv=block,
            block_kv_dkv=block,
            block_kv_dkv_compute=block,
            block_q_dq=block,
            block_kv_dq=block,
        ),
        attn_logits_soft_cap=softcap,
        interpret=interpret,
    )
