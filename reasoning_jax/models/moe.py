"""Mixture of experts: tokens sorted by expert, one ragged product per projection."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.layers import ACTIVATIONS, MLP, Projection
from reasoning_jax.parallel.mesh import gather


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
        weights, experts = jax.lax.top_k(probs, moe.top_k)
        if moe.normalize_top_k:
            weights = weights / weights.sum(axis=-1, keepdims=True)

        def kernel(name: str, shape: tuple[int, int], axes: tuple[str, str]) -> jax.Array:
            init = nn.initializers.variance_scaling(
                1.0, "fan_in", "normal", in_axis=-2, out_axis=-1, batch_axis=(0,)
            )
            value = self.param(
                name,
                nn.with_logical_partitioning(init, (None, *axes)),
                (moe.n_experts, *shape),
                jnp.float32,
            )
            return gather(value.astype(x_BxTxM.dtype), self.mesh, None, *axes)

        gate = kernel("gate", (c.d_model, moe.d_ff), ("embed", "mlp"))
        up = kernel("up", (c.d_model, moe.d_ff), ("embed", "mlp"))
        down = kernel("down", (moe.d_ff, c.d_model), ("mlp", "embed"))

        chosen = experts.reshape(-1)
        order = jnp.argsort(chosen, stable=True)
        sizes = jnp.bincount(chosen, length=moe.n_experts).astype(jnp.int32)
        tokens = x_BxTxM.reshape(-1, c.d_model)
        rows = tokens[order // moe.top_k]
        hidden = ACTIVATIONS[c.activation](jax.lax.ragged_dot(rows, gate, sizes))
        out = jax.lax.ragged_dot(hidden * jax.lax.ragged_dot(rows, up, sizes), down, sizes)
        out = out * weights.reshape(-1)[order, None].astype(out.dtype)
        y = jnp.zeros_like(tokens).at[order // moe.top_k].add(out).reshape(x_BxTxM.shape)
        if moe.shared_d_ff:
            shared = MLP(c, moe.shared_d_ff, self.mesh, name="shared")(x_BxTxM)
            shared_gate = Projection((c.d_model,), (1,), ("embed", None), name="shared_gate")
            y = y + jax.nn.sigmoid(shared_gate(x_BxTxM)) * shared
        return y


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
