"""Mixture of experts: tokens sorted by expert, one ragged product per projection."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh, PartitionSpec

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.layers import ACTIVATIONS, MLP, Projection
from reasoning_jax.parallel.mesh import constrain, gather, partition

Kernels = tuple[jax.Array, jax.Array, jax.Array]


class MoE(nn.Module):
    """Routed experts and, where configured, a shared expert behind a sigmoid gate.

    The router probabilities [B, T, E] are sown as ``router_probs`` in ``intermediates``.
    """

    config: ModelConfig
    mesh: Mesh | None = None

    @nn.compact
    def __call__(self, x_BxTxM: jax.Array) -> jax.Array:
        c, moe = self.config, self.config.moe
        router = Projection((c.d_model,), (moe.n_experts,), ("embed", None), name="router")
        # The softmax runs over all experts in float32, before the choice of the top k.
        probs = jax.nn.softmax(router(x_BxTxM).astype(jnp.float32), axis=-1)
        self.sow("intermediates", "router_probs", probs)

        def kernel(name: str, shape: tuple[int, int], axes: tuple[str, str]) -> jax.Array:
            init = nn.initializers.variance_scaling(
                1.0, "fan_in", "normal", in_axis=-2, out_axis=-1, batch_axis=(0,)
            )
            value = self.param(
                name,
                nn.with_logical_partitioning(init, ("expert", *axes)),
                (moe.n_experts, *shape),
                jnp.float32,
            )
            return gather(value.astype(x_BxTxM.dtype), self.mesh, "expert", *axes)

        kernels = (
            kernel("gate", (c.d_model, moe.d_ff), ("embed", "mlp")),
            kernel("up", (c.d_model, moe.d_ff), ("embed", "mlp")),
            kernel("down", (moe.d_ff, c.d_model), ("mlp", "embed")),
        )
        y = _routed(x_BxTxM, probs, kernels, c, self.mesh)
        if moe.shared_d_ff:
            shared = MLP(c, moe.shared_d_ff, self.mesh, name="shared")(x_BxTxM)
            shared_gate = Projection((c.d_model,), (1,), ("embed", None), name="shared_gate")
            y = y + jax.nn.sigmoid(shared_gate(x_BxTxM)) * shared
        return y


def expert_mlps(
    x_NxM: jax.Array,
    experts_NxK: jax.Array,
    weights_NxK: jax.Array,
    kernels: Kernels,
    activation: Callable[[jax.Array], jax.Array],
    first: int | jax.Array,
    n_experts: int,
) -> jax.Array:
    """Weighted sum [N, M] over those of the chosen experts that are here.

    Args:
      kernels: gate and up [E, M, F], down [E, F, M] of the E experts here.
      first: index of the first of them among all ``n_experts``.
    """
    gate, up, down = kernels
    n_here, top_k = gate.shape[0], experts_NxK.shape[1]
    chosen = (experts_NxK.reshape(-1) - first) % n_experts  # those here come first
    order = jnp.argsort(chosen, stable=True)
    sizes = jnp.bincount(chosen, length=n_experts)[:n_here].astype(jnp.int32)
    is_here = (jnp.arange(order.size) < sizes.sum())[:, None]

    def product(rows: jax.Array, kernel: jax.Array) -> jax.Array:
        out = jax.lax.ragged_dot(rows, kernel, sizes)
        # What lies beyond the last group is not specified.
        return out if n_here == n_experts else jnp.where(is_here, out, 0)

    rows = x_NxM[order // top_k]
    out = product(activation(product(rows, gate)) * product(rows, up), down)
    out = out * weights_NxK.reshape(-1)[order, None].astype(out.dtype)
    return jnp.zeros_like(x_NxM).at[order // top_k].add(out)


def _routed(
    x_BxTxM: jax.Array,
    probs_BxTxE: jax.Array,
    kernels: Kernels,
    config: ModelConfig,
    mesh: Mesh | None,
) -> jax.Array:
    """``expert_mlps`` over a mesh: every device sorts its own tokens and applies its own experts.

    Devices along ``expert`` gather each other's tokens and add up what their experts say, as
    those along ``tensor`` add up their parts of the hidden width.
    """
    moe, activation = config.moe, ACTIVATIONS[config.activation]

    def local(x: jax.Array, probs: jax.Array, kernels: Kernels, first: int | jax.Array):
        weights, experts = jax.lax.top_k(probs, moe.top_k)
        if moe.normalize_top_k:
            weights = weights / weights.sum(axis=-1, keepdims=True)
        flat = (a.reshape(-1, a.shape[-1]) for a in (x, experts, weights))
        return expert_mlps(*flat, kernels, activation, first, moe.n_experts).reshape(x.shape)

    if mesh is None or mesh.size == 1:
        return local(x_BxTxM, probs_BxTxE, kernels, 0)
    batch = _axes(partition(mesh, ("batch", None, None), x_BxTxM.shape).spec)
    rows = PartitionSpec(tuple(axis for axis in batch if axis != "expert"))
    names = (("expert", None, "mlp"), ("expert", None, "mlp"), ("expert", "mlp", None))
    specs = tuple(partition(mesh, axes, k.shape).spec for axes, k in zip(names, kernels))
    split = [axis for axis in ("expert", "tensor") if axis in _axes(specs[0])]

    def shard(x: jax.Array, probs: jax.Array, kernels: Kernels) -> jax.Array:
        first = jax.lax.axis_index("expert") * kernels[0].shape[0] if "expert" in split else 0
        y = local(x, probs, kernels, first)
        return jax.lax.psum(y, split) if split else y

    sharded = jax.shard_map(
        shard,
        mesh=mesh,
        in_specs=(rows, rows, specs),
        out_specs=rows,
        check_vma=False,  # with it, jax 0.10.2 gives wrong gradients of ragged_dot
    )
    y = sharded(x_BxTxM, probs_BxTxE, kernels)
    return constrain(y, mesh, "batch", None, None)


def _axes(spec: PartitionSpec) -> list[str]:
    """The mesh axes of a spec, one after another."""
    return [
        axis for entry in spec for axis in ((entry,) if isinstance(entry, str) else entry or ())
    ]


def load_balance_loss(probs_NxE: jax.Array, top_k: int, mask_N: jax.Array) -> jax.Array:
    """E * sum_e f_e P_e over the masked tokens; f_e counts every top-k pick.

    Balanced routing gives top_k, not 1: the convention of the Hugging Face Qwen models.
    """
    n_experts = probs_NxE.shape[-1]
    _, experts = jax.lax.top_k(probs_NxE, top_k)
    picks_NxE = jax.nn.one_hot(experts, n_experts).sum(axis=1)
    weight = mask_N.astype(jnp.float32)[:, None] / jnp.maximum(mask_N.sum(), 1)
    fraction = jnp.sum(picks_NxE * weight, axis=0)
    mean_prob = jnp.sum(jnp.where(mask_N[:, None], probs_NxE, 0) * weight, axis=0)
    return n_experts * jnp.sum(fraction * mean_prob)
