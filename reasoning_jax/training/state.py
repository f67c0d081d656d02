"""What an optimiser step reads and writes."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import Mesh

from reasoning_jax.models import ModelConfig, abstract_params, param_shardings
from reasoning_jax.parallel import replicated


@struct.dataclass
class TrainState:
    """Parameters, optimiser state and the number of updates made.

    Attributes:
      step: scalar int32.
      params: parameter pytree.
      opt_state: optax state.
    """

    step: jax.Array
    params: Any
    opt_state: Any


def create_state(
    config: ModelConfig, params: dict, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """A state at step 0 around these parameters, moments sharded like their parameters."""
    opt_state = jax.jit(
        optimizer.init, out_shardings=state_shardings(config, optimizer, mesh).opt_state
    )(params)
    return TrainState(jax.device_put(jnp.int32(0), replicated(mesh)), params, opt_state)


def state_shardings(
    config: ModelConfig, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """NamedSharding of every leaf of a TrainState."""
    shardings = param_shardings(config, mesh)
    opt_state = optax.tree_map_params(
        optimizer,
        lambda _, sharding: sharding,
        jax.eval_shape(optimizer.init, abstract_params(config)),
        shardings,
        transform_non_params=lambda _: replicated(mesh),
    )
    return TrainState(replicated(mesh), shardings, opt_state)


def abstract_state(
    config: ModelConfig, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """Shapes, dtypes and shardings of a TrainState, to restore a checkpoint into."""
    params = abstract_params(config)
    shapes = TrainState(
        jax.ShapeDtypeStruct((), jnp.int32), params, jax.eval_shape(optimizer.init, params)
    )
    return with_shardings(shapes, state_shardings(config, optimizer, mesh))


def with_shardings(shapes: Any, shardings: Any) -> Any:
    """ShapeDtypeStructs that carry their shardings."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )
