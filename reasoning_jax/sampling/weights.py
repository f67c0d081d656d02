"""Parameters in the form that every step of decoding wants."""

import functools

import jax
import numpy as np
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


def prepare(model: Transformer, params: dict) -> Weights:
    """Layers apart from each other and matrices in the computing dtype, as every step needs."""
    weights = _unstack(model, params)
    # What the layers share may be the very arrays of the parameters, which others may give away.
    return weights.replace(layers=jax.tree.map(_in_memory_once, weights.layers))


@functools.partial(jax.jit, static_argnames="model")
def _unstack(model: Transformer, params: dict) -> Weights:
    def cast(x: jax.Array) -> jax.Array:
        return x.astype(model.dtype) if x.ndim > 1 else x  # scales of norms keep their float32

    layers = unstack_layers(params, model.config.n_layers)
    shared = {name: value for name, value in params.items() if name != "layers"}
    return jax.tree.map(cast, Weights(shared, layers))


def _in_memory_once(x: jax.Array) -> jax.Array:
    """The same array; CPU devices of one process that hold a copy each hold one together.

    Every step reads all weights, through caches and a bus that these devices share: a tenth of
    the time of a step of few rows.
    """
    devices = x.devices()
    if len(devices) == 1 or any(device.platform != "cpu" for device in devices):
        return x
    if not (x.is_fully_replicated and x.is_fully_addressable):
        return x
    return jax.device_put(np.asarray(x), x.sharding)
