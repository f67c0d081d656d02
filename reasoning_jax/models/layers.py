"""The pieces of a decoder block as Flax modules; every parameter carries its logical axes."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.rope import rotate
from reasoning_jax.parallel.mesh import constrain, gather

ACTIVATIONS = {
    "silu": nn.silu,
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
}


class RMSNorm(nn.Module):
    """x / rms(x) * scale over the last axis; statistics in float32."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        config = self.config
        init = nn.initializers.zeros if config.norm_plus_one else nn.initializers.ones
        scale = self.param(
            "scale", nn.with_logical_partitioning(init, (None,)), (x.shape[-1],), jnp.float32
        )
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + config.norm_eps)
        if config.norm_plus_one:
            scale = 1.0 + scale.astype(jnp.float32)
        if config.norm_scale_in_float32 or config.norm_plus_one:
            return (y * scale.astype(jnp.float32)).astype(x.dtype)
        return y.astype(x.dtype) * scale.astype(x.dtype)


def contract(
    x: jax.Array, kernel: jax.Array, n: int, accumulate: jnp.dtype | None = None
) -> jax.Array:
    """x [..., *inputs] with a kernel [*inputs, *outputs] over n input axes -> [..., *outputs].

    One product of two matrices: with more axes, XLA on CPUs copies the gradient of the output
    into another order before the product that gives the gradient of the kernel, which took
    longer than the product.

    Args:
      accumulate: dtype of the sums and of the result; None for that of x.
    """
    inputs, outputs = kernel.shape[:n], kernel.shape[n:]
    y = jnp.matmul(
        x.reshape(-1, math.prod(inputs)),
        kernel.reshape(math.prod(inputs), -1),
        preferred_element_type=accumulate,
    )
    return y.reshape(*x.shape[: x.ndim - n], *outputs)


class Projection(nn.Module):
    """x contracted over its last ``len(inputs)`` axes with a kernel [*inputs, *outputs].

    Attributes:
      inputs, outputs: sizes; axes: logical axis of each kernel dimension.
      use_bias: add a bias of shape outputs.
      gain: standard deviation of the initial kernel times sqrt(fan-in).
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    axes: tuple[str | None, ...]
    use_bias: bool = False
    gain: float = 1.0
    mesh: Mesh | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        n = len(self.inputs)
        kernel = self.param(
            "kernel",
            nn.with_logical_partitioning(_scaled_normal(self.gain, n), self.axes),
            self.inputs + self.outputs,
            jnp.float32,
        )
        kernel = gather(kernel.astype(x.dtype), self.mesh, *self.axes)
        y = contract(x, kernel, n)
        if self.use_bias:
            bias = self.param(
                "bias",
                nn.with_logical_partitioning(nn.initializers.zeros, self.axes[n:]),
                self.outputs,
                jnp.float32,
            )
            y = y + bias.astype(x.dtype)
        if self.has_variable("params", "lora_a"):
            y = y + self._low_rank(x)
        return y

    def _low_rank(self, x: jax.Array) -> jax.Array:
        """scale (x A) B of the adapters that ``lora.combine`` put beside the kernel.

        Where ``lora.with_dropout`` put a key and a rate there too, x is that of dropout.
        """
        n = len(self.inputs)
        a, b, scale = (self.get_variable("params", f"lora_{name}") for name in ("a", "b", "scale"))
        a = gather(a.astype(x.dtype), self.mesh, *self.axes[:n], None)
        b = gather(b.astype(x.dtype), self.mesh, None, *self.axes[n:])
        if self.has_variable("params", "lora_dropout"):
            key, rate = (self.get_variable("params", f"lora_{name}") for name in ("key", "dropout"))
            keep = jax.random.bernoulli(jax.random.wrap_key_data(key), 1 - rate, x.shape)
            x = jnp.where(keep, x / (1 - rate).astype(x.dtype), 0)
        h = scale * contract(x, a, n, jnp.float32)
        h = constrain(h.astype(x.dtype), self.mesh, "batch", *(None,) * (h.ndim - 1))
        return contract(h, b, 1)


# (q [B, T, H, D], k [B, T, K, D], v [B, T, K, D]) -> (output [B, T, H, D], what to keep)
Attend = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, Any]]


class Attention(nn.Module):
    """The projections around attention, with rotary positions."""

    config: ModelConfig
    mesh: Mesh | None = None

    @nn.compact
    def __call__(
        self,
        x_BxTxM: jax.Array,
        rope: tuple[jax.Array, jax.Array],
        attend: Attend,
    ) -> tuple[jax.Array, Any]:
        """x [B, T, M] -> ([B, T, M], what ``attend`` keeps of rotated keys and values)."""
        c = self.config

        def project(name: str, heads: int, axis: str) -> jax.Array:
            y = Projection(
                (c.d_model,),
                (heads, c.head_dim),
                ("embed", axis, None),
                c.qkv_bias,
                mesh=self.mesh,
                name=name,
            )(x_BxTxM)
            return constrain(y, self.mesh, "batch", None, axis, None)

        q = project("q", c.n_heads, "heads")
        k = project("k", c.n_kv_heads, "kv_heads")
        v = project("v", c.n_kv_heads, "kv_heads")
        if c.qk_norm == "head":
            q, k = RMSNorm(c, name="q_norm")(q), RMSNorm(c, name="k_norm")(k)
        elif c.qk_norm == "full":
            q = RMSNorm(c, name="q_norm")(q.reshape(*q.shape[:2], -1)).reshape(q.shape)
            k = RMSNorm(c, name="k_norm")(k.reshape(*k.shape[:2], -1)).reshape(k.shape)
        q, k = rotate(q, *rope), rotate(k, *rope)

        out, kept = attend(q, k, v)
        y = Projection(
            (c.n_heads, c.head_dim),
            (c.d_model,),
            ("heads", None, "embed"),
            c.out_bias,
            gain=(2 * c.n_layers) ** -0.5,
            mesh=self.mesh,
            name="o",
        )(out)
        return constrain(y, self.mesh, "batch", None, None), kept


class MLP(nn.Module):
    """Gated MLP: down(act(gate(x)) * up(x))."""

    config: ModelConfig
    d_ff: int
    mesh: Mesh | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = self.config

        def widen(name: str) -> jax.Array:
            y = Projection(
                (c.d_model,), (self.d_ff,), ("embed", "mlp"), c.mlp_bias, mesh=self.mesh, name=name
            )(x)
            return constrain(y, self.mesh, "batch", *(None,) * (x.ndim - 2), "mlp")

        hidden = ACTIVATIONS[c.activation](widen("gate")) * widen("up")
        y = Projection(
            (self.d_ff,),
            (c.d_model,),
            ("mlp", "embed"),
            c.mlp_bias,
            gain=(2 * c.n_layers) ** -0.5,
            mesh=self.mesh,
            name="down",
        )(hidden)
        return constrain(y, self.mesh, "batch", *(None,) * (x.ndim - 1))


def _scaled_normal(gain: float, n_inputs: int):
    """Normal with standard deviation gain / sqrt(fan-in); fan-in over the first axes."""

    def init(key: jax.Array, shape: Sequence[int], dtype: jnp.dtype) -> jax.Array:
        fan_in = 1
        for size in shape[:n_inputs]:
            fan_in *= size
        return gain * fan_in**-0.5 * jax.random.normal(key, shape, dtype)

    return init
