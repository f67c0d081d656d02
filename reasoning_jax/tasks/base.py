"""What every task offers, and how one is found by name."""

import importlib
import inspect
from typing import Any, Protocol, runtime_checkable

from reasoning_jax.types import Problem, StepLabels, Verdict

EMBEDDED = {
    "modchain": "reasoning_jax.tasks.modchain:ModChain",
    "wordchain": "reasoning_jax.tasks.wordchain:WordChain",
    "countdown": "reasoning_jax.tasks.countdown:Countdown",
    "knights": "reasoning_jax.tasks.knights:Knights",
    "dag": "reasoning_jax.tasks.dag:Dag",
    "gsm8k": "reasoning_jax.tasks.gsm8k:GSM8K",
}


@runtime_checkable
class Task(Protocol):
    """A problem set with splits "train", "validation" and "test" that grades its own answers."""

    @property
    def name(self) -> str:
        """The first part of every problem id."""

    @property
    def alphabet(self) -> str:
        """The characters of prompts and solutions; "" for file-backed text."""

    def size(self, split: str) -> int:
        """Number of problems of a split; ValueError for an unknown split."""

    def problem(self, split: str, index: int) -> Problem:
        """Problem `index` of a split, always the same one; IndexError outside [0, size)."""

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judges the outcome of a response."""

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Judges the steps of a response."""


def load_task(name: str, data: str = "", **options: Any) -> Task:
    """Builds a task by its embedded name, or by a dotted "package.module:Class".

    Args:
      name: one of `EMBEDDED`, or a class that is called with the options.
      data: the folder of a file-backed task.
      **options: the task's knobs, as its class documents them.

    Raises:
      ValueError: for an unknown name or option, or a folder missing or not wanted.
    """
    path = EMBEDDED.get(name, name)
    module_name, colon, class_name = path.partition(":")
    if not colon:
        raise ValueError(
            f"unknown task {name!r}: choose one of {', '.join(EMBEDDED)}, "
            'or a class as "package.module:Class"'
        )
    try:
        task = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"task {name!r} cannot be loaded: {error}") from error
    knobs = inspect.signature(task).parameters
    if data and "data" not in knobs:
        raise ValueError(f"task {name!r} makes its own problems; drop data={data!r}")
    if not data and "data" in knobs and knobs["data"].default is inspect.Parameter.empty:
        raise ValueError(f"task {name!r} reads files: give data=<folder in its official format>")
    if unknown := sorted(set(options) - set(knobs)):
        raise ValueError(
            f"task {name!r} has no option {', '.join(map(repr, unknown))}: "
            f"choose among {', '.join(knobs)}"
        )
    return task(**({"data": data} if data else {}), **options)
