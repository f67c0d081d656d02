"""Steps of the phase that a run is in, and the passage from one phase to the next."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import optax

from reasoning_jax.stages.loop import StepResult
from reasoning_jax.stages.rl.collect import Collector
from reasoning_jax.stages.rl.fields import asked_fields
from reasoning_jax.stages.rl.functions import build_functions
from reasoning_jax.stages.rl.learners import build_learners
from reasoning_jax.stages.rl.memory import Memory
from reasoning_jax.stages.rl.phases import Phase
from reasoning_jax.stages.rl.replay import recorded, replayed
from reasoning_jax.stages.rl.state import RLState, copied
from reasoning_jax.stages.rl.step import Step
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.state import create_state


def fields_of(phases: Sequence[Phase]) -> tuple[str, ...]:
    """The optional fields that any phase asks for: models that fill them last all phases."""
    asked = (asked_fields(build_functions(phase.block), phase.block) for phase in phases)
    return tuple(sorted(set().union(*asked)))


def start_of(phases: Sequence[Phase]) -> dict:
    """What a stage remembers of its curriculum before its first step, as JSON."""
    return {
        "phase": 0,
        "phase_steps": 0,
        "phase_seen": [],
        "coefficients": _coefficients(phases[0]),
        "sampling": Memory({}).state(),
    }


class Curriculum:
    """One step after another, each as its phase says.

    Args:
      reference: trained tree of a reference policy that stays, or None.
      memory: of ``progress``, what ``start_of`` gives at first.
    """

    def __init__(
        self,
        stage: Stage,
        phases: Sequence[Phase],
        optimizer: optax.GradientTransformation,
        batches: Iterator[np.ndarray],
        reference: dict | None,
        memory: dict,
    ):
        self._stage, self._phases, self._optimizer = stage, phases, optimizer
        self._batches, self._reference = batches, reference
        self._number, self._steps = memory["phase"], memory["phase_steps"]
        self._seen, self._coefficients = memory["phase_seen"], memory["coefficients"]
        self._sampling = Memory(memory.get("sampling", {}))
        self._step: Step | None = None

    def __call__(
        self, state: RLState, indices: np.ndarray, step: int
    ) -> tuple[RLState, StepResult]:
        """One step of the phase; the next call may be of the next phase."""
        phase = self._phases[self._number]
        if self._step is None:
            self._step = self._build(phase)
        if self._steps == 0 and self._number > 0:
            state = self._reset(state, phase)
        age = self._steps % phase.block.reuse
        state, result = self._step(state, indices, step, age)
        metrics = result.metrics
        if len(self._phases) > 1:
            metrics = metrics | {"rl/phase": self._number}
        self._coefficients = result.remember["coefficients"]
        self._steps += 1
        self._seen = phase.seen(self._seen, metrics)
        if self._number + 1 < len(self._phases) and phase.over_after(self._steps, self._seen):
            self._pass_on()
        return state, dataclasses.replace(result, metrics=metrics, remember=self._memory())

    def _pass_on(self) -> None:
        before, after = (_coefficients(p) for p in self._phases[self._number : self._number + 2])
        # A coefficient that the next phase sets begins anew, one that it leaves goes on.
        self._coefficients = {
            name: value if after[name] == before[name] else after[name]
            for name, value in self._coefficients.items()
        }
        self._number, self._steps, self._seen, self._step = self._number + 1, 0, [], None

    def _memory(self) -> dict:
        return {
            "phase": self._number,
            "phase_steps": self._steps,
            "phase_seen": self._seen,
            "coefficients": self._coefficients,
            "sampling": self._sampling.state(),
        }

    def _build(self, phase: Phase) -> Step:
        stage = dataclasses.replace(self._stage, config=phase.block)
        block, context = phase.block, stage.context
        functions = build_functions(block)
        fields = fields_of(self._phases)
        learners = build_learners(context, block, fields, stage.seed(5))
        if block.replay:
            collect = replayed(block.replay)
        else:
            collect = Collector(stage, functions, fields, self._batches, self._sampling)
        if block.dump_every:
            folder = context.workdir / "rollouts" / stage.name
            collect = recorded(collect, folder, block.dump_every)
        return Step(
            stage,
            functions,
            fields,
            self._optimizer,
            learners,
            collect,
            self._reference,
            self._coefficients,
        )

    def _reset(self, state: RLState, phase: Phase) -> RLState:
        if "reference" in phase.reset and state.reference is not None:
            state = state.replace(reference=copied(state.params))
        if "optimizer" in phase.reset:
            trainable = self._stage.context.trainable
            fresh = create_state(trainable, state.params, self._optimizer)
            state = state.replace(opt_state=fresh.opt_state)
        return state


def _coefficients(phase: Phase) -> dict[str, float]:
    return {name: float(phase.block[f"{name}_coef"]) for name in ("kl", "entropy")}
