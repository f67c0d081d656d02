"""What an optimiser step reads and writes."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from reasoning_jax.parallel import replicated
from reasoning_jax.training.trainable import Trainable


@struct.dataclass
class TrainState:
    """What is trained, optimiser state and the number of updates made.

    Attributes:
      step: scalar int32.
      params: the trained tree of a Trainable.
      opt_state: optax state.
    """

    step: jax.Array
    params: Any
    opt_state: Any


def create_state(
    trainable: Trainable, params: Any, optimizer: optax.GradientTransformation
) -> TrainState:
    """A state at step 0 around a trained tree, moments sharded like their parameters."""
    shardings = state_shardings(trainable, optimizer)
    opt_state = jax.jit(optimizer.init, out_shardings=shardings.opt_state)(params)
    return TrainState(jax.device_put(jnp.int32(0), shardings.step), params, opt_state)


def state_shardings(trainable: Trainable, optimizer: optax.GradientTransformation) -> TrainState:
    """NamedSharding of every leaf of a TrainState."""
    whole = replicated(trainable.mesh)
    opt_state = optax.tree_map_params(
        optimizer,
        lambda _, sharding: sharding,
        jax.eval_shape(optimizer.init, trainable.abstract),
        trainable.shardings,
        transform_non_params=lambda _: whole,
    )
    return TrainState(whole, trainable.shardings, opt_state)


def abstract_state(trainable: Trainable, optimizer: optax.GradientTransformation) -> TrainState:
    """Shapes, dtypes and shardings of a TrainState, to restore a checkpoint into."""
    shapes = TrainState(
        jax.ShapeDtypeStruct((), jnp.int32),
        trainable.abstract,
        jax.eval_shape(optimizer.init, trainable.abstract),
    )
    return with_shardings(shapes, state_shardings(trainable, optimizer))


def with_shardings(shapes: Any, shardings: Any) -> Any:
    """ShapeDtypeStructs that carry their shardings."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )
