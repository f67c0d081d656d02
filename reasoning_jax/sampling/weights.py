"""Parameters in the form that every step of decoding wants."""

import functools

import jax
from flax import struct

from reasoning_jax.models.transformer import Transformer, unstack_layers


@struct.dataclass
class Weights:
    """Parameters, prepared once.

    Attributes:
      shared: embedding, final norm and head.
      layers: one tree per layer.
    """

    shared: dict
    layers: list[dict]


@functools.partial(jax.jit, static_argnames="model")
def prepare(model: Transformer, params: dict) -> Weights:
    """Layers apart from each other and matrices in the computing dtype, as every step needs."""

    def cast(x: jax.Array) -> jax.Array:
        return x.astype(model.dtype) if x.ndim > 1 else x  # scales of norms keep their float32

    layers = unstack_layers(params, model.config.n_layers)
    shared = {name: value for name, value in params.items() if name != "layers"}
    return jax.tree.map(cast, Weights(shared, layers))
