"""Several tasks as one, their problems mixed in proportion."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reasoning_jax.tasks.base import Task, load_task
from reasoning_jax.tasks.splits import SPLITS, check_index
from reasoning_jax.types import Check, Problem, StepLabels, Verdict


@dataclasses.dataclass(frozen=True)
class Mixture:
    """The problems of every part; ``info["part"]`` says of which one is.

    In a config: ``task = "reasoning_jax.tasks.mixture:Mixture"`` and ``task_options.parts =
    {"short": {"task": "modchain", "length": 3}, "long": {"task": "modchain", "length": 8}}``.
    Each split holds all problems of its parts, spread evenly, so that any stretch of it has them
    in proportion to their number.

    Attributes:
      parts: name -> ``{"task": name, "data": folder where it reads one, **its options}``.
    """

    parts: Mapping[str, Mapping[str, Any]]

    def __post_init__(self):
        if not self.parts:
            raise ValueError("mixture: parts is empty; give name: {'task': ...} for each")
        for name, part in self.parts.items():
            if not hasattr(part, "items") or "task" not in part:
                raise ValueError(f"mixture: part {name!r} is {part!r}; give {{'task': name, ...}}")
        self._tasks  # noqa: B018  (built now: what cannot work is refused at the door)

    @functools.cached_property
    def _tasks(self) -> dict[str, Task]:
        return {
            name: load_task(**{"name" if key == "task" else key: x for key, x in part.items()})
            for name, part in self.parts.items()
        }

    @property
    def name(self) -> str:
        """The first part of the ids of problems."""
        return "mixture"

    @property
    def alphabet(self) -> str:
        """The characters of all parts; "" where one reads files."""
        alphabets = [task.alphabet for task in self._tasks.values()]
        return "".join(dict.fromkeys("".join(alphabets))) if all(alphabets) else ""

    def size(self, split: str) -> int:
        """Number of problems of a split."""
        return sum(task.size(split) for task in self._tasks.values())

    def problem(self, split: str, index: int) -> Problem:
        """Problem ``index`` of a split, with the id its part gives it, below the part's name."""
        check_index(self.name, split, index, self.size(split))
        part, place = self._places[split][index]
        name = list(self._tasks)[part]
        problem = self._tasks[name].problem(split, int(place))
        return dataclasses.replace(
            problem, id=f"{name}/{problem.id}", info={**problem.info, "part": name}
        )

    def grade(self, problem: Problem, response: str) -> Verdict | Check:
        """As the problem's part grades it."""
        return self._tasks[problem.info["part"]].grade(problem, response)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """As the problem's part labels it."""
        return self._tasks[problem.info["part"]].step_labels(problem, response)

    @functools.cached_property
    def _places(self) -> dict[str, np.ndarray]:
        """Split -> [N, 2]: part and index within it of each problem."""
        return {
            split: _spread([task.size(split) for task in self._tasks.values()]) for split in SPLITS
        }


def _spread(sizes: Sequence[int]) -> np.ndarray:
    """[N, 2] (part, index), the problems of each part at even distances."""
    part = np.repeat(np.arange(len(sizes)), sizes)
    index = np.concatenate([np.arange(size) for size in sizes])
    moment = (index + 0.5) / np.repeat(np.maximum(sizes, 1), sizes)
    return np.stack([part, index], axis=1)[np.argsort(moment, kind="stable")]
