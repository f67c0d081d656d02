"""The loop of a training stage: step, log, evaluate, save, end; exact when taken up again."""

import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import optax
from rich.console import Console

from reasoning_jax.evals.console import progress
from reasoning_jax.evals.run import Evaluation
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.stage import Interrupted, Stage, StopSignals
from reasoning_jax.training.heap import small_heap
from reasoning_jax.training.state import TrainState, abstract_state, create_state

# Steps after which the programs of a loop are there.
_SETTLED = 8


@dataclasses.dataclass(frozen=True)
class StepResult:
    """What one step leaves for the logs.

    Attributes:
      metrics: flat names; values may still be on their way from the device.
      samples: rows for ``samples/*.jsonl``.
      tokens: tokens processed, for the speed.
      remember: what the stage must know of the step when it is taken up again, as JSON; it
        enters ``progress``.
      check: (step, metrics), asked whenever metrics are logged or saved; raises RuntimeError
        where the stage can say better than the loop what has gone wrong.
    """

    metrics: dict[str, Any]
    samples: list[dict]
    tokens: int
    remember: dict[str, Any] = dataclasses.field(default_factory=dict)
    check: Callable[[int, dict[str, float]], None] = lambda step, metrics: None


@dataclasses.dataclass(frozen=True)
class Decision:
    """What an evaluation means for the stage.

    Attributes:
      stop: end the stage here.
      progress: what to remember, as JSON; ``keep`` lists checkpoint numbers that must stay.
    """

    stop: bool
    progress: dict


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When things happen, in steps.

    Attributes:
      steps: length of the stage; it may end earlier by a Decision.
      log_every, evaluate_every, checkpoint_every: 0 is never.
    """

    steps: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int


@dataclasses.dataclass
class Position:
    """Where the loop stands; what a checkpoint brings back."""

    state: TrainState
    step: int
    progress: dict


def begin(
    stage: Stage,
    params: dict | None,
    optimizer: optax.GradientTransformation,
    batches: Iterator,
    progress: dict,
) -> Position:
    """A fresh start around ``params``, or the position of the checkpoint being resumed."""
    context = stage.context
    if stage.resumed is None:
        return Position(create_state(context.trainable, params, optimizer), 0, progress)
    number = stage.resumed["number"]
    abstract = abstract_state(context.trainable, optimizer)
    batches.set_state(stage.resumed["iterator"])
    restored = context.checkpoints.training(number, abstract.replace(params=None))
    state = restored.replace(params=context.checkpoints.params(number, abstract.params))
    return Position(state, stage.resumed["step"], stage.resumed["progress"])


def run_loop(
    stage: Stage,
    position: Position,
    schedule: Schedule,
    batches: Iterator,
    advance: Callable[[TrainState, Any, int], tuple[TrainState, StepResult]],
    evaluate: Callable[[TrainState], Evaluation] | None = None,
    decide: Callable[[int, dict, Evaluation], Decision] | None = None,
) -> Position:
    """Runs a stage to its end and returns the last position; nothing is saved as done yet.

    Args:
      advance: (state, batch, step) -> (state, StepResult).
      evaluate: measures a state; called every ``evaluate_every`` steps and at the end.
      decide: (steps done, progress, evaluation) -> Decision.

    Raises:
      Interrupted: Ctrl-C or SIGTERM; a checkpoint has been written.
      RuntimeError: the loss or the gradient is not finite.
    """
    log, name = stage.context.log, stage.name
    state, step, memory = position.state, position.step, position.progress
    clock = _Clock()

    def save() -> None:
        stage.save(
            step,
            state.params,
            state.replace(params=None),
            iterator=batches.get_state(),
            progress=memory,
            keep=tuple(memory.get("keep", ())),
        )

    stopped = bool(memory.get("stopped"))
    console = None if is_main_process() else Console(file=io.StringIO())
    with (
        progress(schedule.steps, name, step, console) as bar,
        StopSignals() as signals,
        small_heap() as set_aside,
    ):
        while step < schedule.steps and not stopped:
            state, result = advance(state, next(batches), step)
            memory = {**memory, **result.remember}
            step += 1
            clock.count(result.tokens)
            last = step == schedule.steps
            interrupted = signals.asked()
            evaluated = evaluate is not None and (last or _due(step, schedule.evaluate_every))
            saved = interrupted or evaluated or last or _due(step, schedule.checkpoint_every)
            logged = last or _due(step, schedule.log_every)
            metrics = {}
            if logged or saved:
                metrics = {k: float(v) for k, v in result.metrics.items()}
                result.check(step, metrics)
                _check_finite(stage, step, metrics)
            if logged:
                metrics["perf/tokens_per_s"] = clock.rate()
                log.log(name, step, metrics)
                if result.samples:
                    log.samples(name, step, result.samples)
            if evaluated:
                evaluation = evaluate(state)
                log.log(name, step, evaluation.metrics)
                metrics |= evaluation.metrics
                if decide is not None:
                    decision = decide(step, memory, evaluation)
                    stopped, memory = decision.stop, decision.progress
                    memory["stopped"] = stopped
                clock.restart()
            bar.update(step, metrics)
            if step == position.step + _SETTLED:
                set_aside()
            if saved:
                save()
            if interrupted:
                stage.context.checkpoints.wait()
                raise Interrupted(f"stopped in stage {name!r} after step {step}")
    return Position(state, step, memory)


def _check_finite(stage: Stage, step: int, metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        if name.endswith(("/loss", "/grad_norm")) and not math.isfinite(value):
            raise RuntimeError(
                f"{stage.name}: {name} is {value} at step {step}; lower the learning rate or look "
                "at the data; the run goes on from its last checkpoint"
            )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


class _Clock:
    """Tokens per second since the last look."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        self._start, self._tokens = time.monotonic(), 0

    def count(self, tokens: int) -> None:
        self._tokens += tokens

    def rate(self) -> float:
        rate = self._tokens / max(time.monotonic() - self._start, 1e-9)
        self.restart()
        return rate
