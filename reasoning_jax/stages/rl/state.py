"""The device state of the stage, and how a checkpoint brings it back."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from reasoning_jax.stages.loop import Position
from reasoning_jax.stages.rl.learners import Learner
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.state import TrainState, abstract_state, create_state


@struct.dataclass
class RLState(TrainState):
    """A TrainState of the policy, and what else changes from step to step.

    Attributes:
      reference: trained tree of a reference policy that moves, or None where it stays.
      learners: name -> TrainState of each model that learns beside the policy.
    """

    reference: Any = None
    learners: dict[str, TrainState] = struct.field(default_factory=dict)

    @property
    def policy(self) -> TrainState:
        """The policy alone."""
        return TrainState(self.step, self.params, self.opt_state)

    def with_policy(self, policy: TrainState) -> "RLState":
        """The same state around another policy."""
        return self.replace(step=policy.step, params=policy.params, opt_state=policy.opt_state)


def begin(
    stage: Stage,
    params: dict | None,
    optimizer: optax.GradientTransformation,
    learners: dict[str, Learner],
    batches: Iterator,
    progress: dict,
    moving: bool,
) -> Position:
    """A fresh start around ``params``, or the position of the checkpoint being resumed.

    Args:
      moving: the state holds a reference policy, since it changes.
    """
    context = stage.context
    if stage.resumed is None:
        policy = create_state(context.trainable, params, optimizer)
        # Read back, not shared: updates give the policy's arrays away.
        reference = context.restore(stage.first_number) if moving else None
        states = {
            name: create_state(
                learner.trainable,
                learner.first(context.restore(stage.first_number)),
                learner.optimizer,
            )
            for name, learner in learners.items()
        }
        return Position(_of(policy, reference, states), 0, progress)
    number = stage.resumed["number"]
    policy = abstract_state(context.trainable, optimizer)
    states = {
        name: abstract_state(learner.trainable, learner.optimizer)
        for name, learner in learners.items()
    }
    abstract = _of(policy, policy.params if moving else None, states)
    batches.set_state(stage.resumed["iterator"])
    restored = context.checkpoints.training(number, abstract.replace(params=None))
    state = restored.replace(params=context.checkpoints.params(number, abstract.params))
    return Position(state, stage.resumed["step"], stage.resumed["progress"])


@jax.jit
def copied(tree: Any) -> Any:
    """The same arrays once more, for an update gives away those it is handed.

    One program: host devices that ran one for each array could keep another program, under way at
    the same time, from ever meeting in its collectives.
    """
    return jax.tree.map(jnp.copy, tree)


def _of(policy: TrainState, reference: Any, learners: dict[str, TrainState]) -> RLState:
    return RLState(policy.step, policy.params, policy.opt_state, reference, learners)
