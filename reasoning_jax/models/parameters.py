"""Parameters as a plain dict pytree: how they are made and how they are sharded."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.transformer import Transformer
from reasoning_jax.parallel.mesh import partition


def init_params(config: ModelConfig, key: jax.Array, mesh: Mesh | None = None) -> dict:
    """Fresh float32 parameters, made directly in their shards; equal for every mesh."""

    def init(key):
        return nn.meta.unbox(_boxed(config, key))

    if mesh is None:
        return jax.jit(init)(key)
    return jax.jit(init, out_shardings=param_shardings(config, mesh))(key)


def abstract_params(config: ModelConfig) -> dict:
    """Shapes and dtypes of the parameters, without making them."""
    return nn.meta.unbox(jax.eval_shape(lambda: _boxed(config, jax.random.key(0))))


def param_shardings(config: ModelConfig, mesh: Mesh) -> dict:
    """NamedSharding of every parameter, from its logical axes."""
    boxed = jax.eval_shape(lambda: _boxed(config, jax.random.key(0)))
    return jax.tree.map(
        lambda box: partition(mesh, box.names, box.value.shape),
        boxed,
        is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned),
    )


def count_params(params: dict) -> int:
    """Number of scalars."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _boxed(config: ModelConfig, key: jax.Array) -> dict:
    return Transformer(config).init(key, jnp.zeros((1, 2), jnp.int32))["params"]
