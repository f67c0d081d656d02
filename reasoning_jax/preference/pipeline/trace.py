"""What the pipeline knows of one problem; every step adds to it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks import Task
from reasoning_jax.types import Problem


@dataclasses.dataclass(frozen=True)
class Correction:
    """A step in place of a wrong one, from which the right answer was reached.

    Attributes:
      step: the step.
      response: the whole response it is part of, the prefix included.
    """

    step: str
    response: str


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A response with a wrong answer.

    Attributes:
      response: whole.
      index: of its first wrong step, from 0; None until it is located, and where it cannot be.
      prefix: what comes before that step.
      rejected: that step.
      corrections: of that step; equal steps once.
    """

    response: str
    index: int | None = None
    prefix: str = ""
    rejected: str = ""
    corrections: tuple[Correction, ...] = ()


@dataclasses.dataclass(frozen=True)
class Trace:
    """The mistakes in one problem's responses.

    Attributes:
      id: of the problem.
      prompt: of the problem.
      mistakes: distinct wrong responses, in the order in which they were sampled.
      right: distinct right responses.
      made_by: which generator or judge made what: "collect", "locate", "rectify".
    """

    id: str
    prompt: str
    mistakes: tuple[Mistake, ...] = ()
    right: tuple[str, ...] = ()
    made_by: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON, from which ``from_json`` gives an equal trace."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Trace":
        """ValueError where fields are missing or others are there."""
        try:
            mistakes = tuple(
                Mistake(
                    **{
                        **mistake,
                        "corrections": tuple(Correction(**c) for c in mistake["corrections"]),
                    }
                )
                for mistake in record["mistakes"]
            )
            return cls(**{**record, "mistakes": mistakes, "right": tuple(record["right"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no trace of a problem ({error}): {record!r}") from error


def problem_of(task: Task, id: str) -> Problem:
    """The task's problem of an id ``"<task>/<split>/<index>"``; ValueError for another task's."""
    _, split, index = _parts(id)
    problem = task.problem(split, index)
    if problem.id != id:
        raise ValueError(f"problem {id!r} is not one of {task.name!r}; give the task it is of")
    return problem


def key_of(id: str) -> int:
    """The index in a problem's id: draws for it depend on that, and on no other problem."""
    return _parts(id)[2]


def _parts(id: str) -> tuple[str, str, int]:
    name, _, rest = id.partition("/")
    split, _, index = rest.partition("/")
    if not index.isdecimal():
        raise ValueError(f"{id!r} is no id <task>/<split>/<index> of a problem")
    return name, split, int(index)
