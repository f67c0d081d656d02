"""What a model that learns beside the policy is made of."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from reasoning_jax.rl.objective import PolicyBatch
from reasoning_jax.stages.blocks import build_optimizer
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import Loss, make_update
from reasoning_jax.training.trainable import Trainable
from reasoning_jax.types import Rollouts

Batches = Callable[[PolicyBatch, list[PolicyBatch]], list[PolicyBatch]]


@dataclasses.dataclass(frozen=True)
class Learner:
    """One such model.

    Attributes:
      field: of Rollouts, which it fills.
      trainable: what of it is trained.
      optimizer: of its updates.
      first: (what is trained of the policy) -> what is trained of this model at its start.
      score: jitted (trained, frozen, rollouts) -> the field.
      update: (TrainState, batch, frozen) -> (TrainState, metrics).
      batches: (whole batch, parts of the policy's updates) -> the batches it learns of.
      save: (folder, merged parameters) writes it as a folder in Hugging Face's layout.
      until: steps after which it does not learn; -1 is never.
    """

    field: str
    trainable: Trainable
    optimizer: optax.GradientTransformation
    first: Callable[[Any], Any]
    score: Callable[[Any, Any, Rollouts], jax.Array]
    update: Callable[..., tuple[TrainState, dict[str, jax.Array]]]
    batches: Batches
    save: Callable[[pathlib.Path, dict], None]
    until: int = -1


def build_learner(
    block: ConfigDict,
    name: str,
    field: str,
    trainable: Trainable,
    *,
    first: Callable[[Any], Any],
    score: Callable[[dict, Rollouts], jax.Array],
    prepare: Callable[[PolicyBatch], PolicyBatch],
    loss: Loss,
    report: Callable[[PolicyBatch, Any], dict[str, jax.Array]],
    batches: Batches,
    save: Callable[[pathlib.Path, dict], None],
) -> Learner:
    """A learner with the optimiser of its block ``name`` and the update that all have.

    Args:
      score: (parameters, rollouts) -> the field.
      prepare, loss, report: as of ``make_update``.
    """
    optimizer = build_optimizer(block[name].optimizer)
    update = make_update(
        trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )
    scored = jax.jit(
        lambda trained, frozen, rollouts: score(trainable.assemble(trained, frozen), rollouts)
    )
    until = block[name].until
    return Learner(field, trainable, optimizer, first, scored, update, batches, save, until)


def in_parts(whole: PolicyBatch, parts: list[PolicyBatch]) -> list[PolicyBatch]:
    """As often as the policy."""
    return parts


def at_once(whole: PolicyBatch, parts: list[PolicyBatch]) -> list[PolicyBatch]:
    """Once a step, of all of it."""
    return [whole]
