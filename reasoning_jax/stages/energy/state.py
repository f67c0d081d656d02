"""What training of an energy model carries: state, optimiser, and thoughts to go on from."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from reasoning_jax.models.energy import Replay, abstract_replay, replay_shardings
from reasoning_jax.stages.loop import Position
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.state import TrainState, abstract_state, create_state, with_shardings


@struct.dataclass
class EnergyState:
    """A TrainState and the replay buffer beside it, None where there is none."""

    step: jax.Array
    params: Any
    opt_state: Any
    replay: Replay | None

    @classmethod
    def of(cls, train: TrainState, replay: Replay | None) -> "EnergyState":
        """Both together."""
        return cls(train.step, train.params, train.opt_state, replay)

    @property
    def train(self) -> TrainState:
        """Without the buffer."""
        return TrainState(self.step, self.params, self.opt_state)


def begin_energy(
    stage: Stage,
    params: dict | None,
    optimizer: optax.GradientTransformation,
    batches: Iterator,
    entries: int,
    length: int,
) -> Position:
    """A fresh start, or the position of the checkpoint being resumed.

    Args:
      entries: rows that the replay buffer holds; 0 for no buffer.
      length: tokens of a row.
    """
    context = stage.context
    replay = None
    if entries:
        shapes = abstract_replay(entries, length, context.model.vocab_size)
        replay = with_shardings(shapes, replay_shardings(shapes, context.mesh))
    if stage.resumed is None:
        train = create_state(context.trainable, params, optimizer)
        empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype, device=x.sharding), replay)
        return Position(EnergyState.of(train, empty), 0, {})
    number = stage.resumed["number"]
    batches.set_state(stage.resumed["iterator"])
    abstract = EnergyState.of(abstract_state(context.trainable, optimizer), replay)
    restored = context.checkpoints.training(number, abstract.replace(params=None))
    state = restored.replace(params=context.checkpoints.params(number, abstract.params))
    return Position(state, stage.resumed["step"], stage.resumed["progress"])
