"""One stage of a run, and how a run is taken up again in the middle of it."""

import dataclasses
import signal
import threading
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from reasoning_jax.stages.context import Context


class Interrupted(Exception):
    """The run was asked to end and has left a checkpoint."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """Where a stage stands in its run.

    Attributes:
      context: what all stages share.
      name: name in ``config.stages``.
      index: position in ``config.stages``.
      config: the stage's own block.
      first_number: number of the checkpoint before its first step.
      resumed: meta of the checkpoint the stage goes on from, or None for a fresh start.
    """

    context: Context
    name: str
    index: int
    config: ConfigDict
    first_number: int
    resumed: dict | None = None

    def seed(self, *parts: int) -> int:
        """A 32-bit seed of its own for every (run seed, stage, parts)."""
        entropy = [self.context.config.seed, self.index, *parts]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])

    def save(
        self,
        step: int,
        params: Any,
        training: Any,
        *,
        iterator: dict | None,
        progress: dict,
        done: bool = False,
        keep: tuple[int, ...] = (),
    ) -> int:
        """Writes a checkpoint after ``step`` steps and deletes those no longer needed.

        Args:
          iterator: state of the data iterator.
          progress: what else the stage must remember, as JSON.
          done: the stage is over; the next one starts from these parameters.
          keep: numbers of older checkpoints that must stay.

        Returns:
          The checkpoint's number.
        """
        checkpoints = self.context.checkpoints
        # The end of a stage has a number of its own: its parameters may not be the last ones.
        number = self.first_number + step + int(done)
        meta = {
            "stage": self.name,
            "index": self.index,
            "stages": list(self.context.config.stages),
            "step": step,
            "done": done,
            "number": number,
            "first_number": self.first_number,
            "iterator": iterator,
            "progress": progress,
            "log": self.context.log.position(),
        }
        previous = checkpoints.numbers()[-1:]
        checkpoints.save(number, params, training, meta)
        # The one before stays until this one is on disk.
        checkpoints.keep_only({*previous, number, *keep})
        return number

    def finish(self, step: int, params: Any, keep: tuple[int, ...] = ()) -> None:
        """Marks the stage as over, with the parameters the next one starts from.

        Args:
          keep: checkpoints the one before needs, should this one never be complete.
        """
        self.save(step, params, None, iterator=None, progress={}, done=True, keep=keep)


class StopSignals:
    """Turns Ctrl-C and SIGTERM into a question the loop asks between steps."""

    def __init__(self):
        self._asked = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        """Whether any process was asked to end; all processes agree."""
        if jax.process_count() == 1:
            return self._asked.is_set()
        return bool(multihost_utils.process_allgather(np.int32(self._asked.is_set())).any())

    def _on_signal(self, number: int, frame: Any) -> None:
        # A second signal ends the process at once.
        signal.signal(number, self._before.get(number) or signal.SIG_DFL)
        self._asked.set()
