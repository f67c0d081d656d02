"""Tasks that draw their problems: random access, reproducible anywhere, disjoint splits."""

import abc
import dataclasses
import itertools
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS
from reasoning_jax.tasks.splits import check_index, check_split, split_of
from reasoning_jax.types import Problem, StepLabels, Verdict

MAX_DRAWS = 10_000
# With 256 draws, 128 distinct ones mean some 160 problems or more, so that a split of a tenth
# of them is empty with a chance of 0.9^160, one in 2e7.
PROBE_DRAWS, PROBE_DISTINCT = 256, 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generated(abc.ABC):
    """A task whose problem i of a split is a pure function of (knobs, seed, split, i).

    A subclass draws a latent problem, names its identity by a key, and poses it. A latent
    problem belongs to one split by its key, whatever the seed; draws are repeated until one
    belongs to the split asked for. Within a split problems are drawn with replacement.

    Attributes:
      seed: another seed gives other problems, from the same disjoint splits.
      train_size, validation_size, test_size: problems in each split.
    """

    name: ClassVar[str]

    seed: int = 0
    train_size: int = 100_000
    validation_size: int = 512
    test_size: int = 512

    @property
    @abc.abstractmethod
    def alphabet(self) -> str:
        """The characters of prompts and solutions."""

    @abc.abstractmethod
    def draw(self, random: Random) -> Any:
        """A latent problem, or None when the attempt led nowhere."""

    @abc.abstractmethod
    def key(self, latent: Any) -> str:
        """The identity of a latent problem: equal keys never stand in two splits."""

    @abc.abstractmethod
    def pose(self, latent: Any, split: str, random: Random) -> dict[str, Any]:
        """The prompt, answer, solution and info of a latent problem, as fields of Problem."""

    @abc.abstractmethod
    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judges the outcome of a response."""

    @abc.abstractmethod
    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Judges the steps of a response."""

    def __post_init__(self):
        for field in ("train_size", "validation_size", "test_size"):
            require(getattr(self, field) >= 0, self, field, "at least 0")
        random = Random(0)
        drawn = (self.draw(random) for _ in range(MAX_DRAWS))
        found = itertools.islice((latent for latent in drawn if latent is not None), PROBE_DRAWS)
        distinct = len({self.key(latent) for latent in found})
        if distinct < PROBE_DISTINCT:
            raise ValueError(
                f"{self.name}: {PROBE_DRAWS} problems drawn were only {distinct} different ones, "
                "too few for disjoint splits; make them longer or their numbers larger"
            )

    def size(self, split: str) -> int:
        """Number of problems of a split."""
        check_split(split)
        return getattr(self, f"{split}_size")

    def problem(self, split: str, index: int) -> Problem:
        """Problem `index` of a split."""
        check_index(self.name, split, index, self.size(split))
        random = Random(f"{self.seed}/{split}/{index}")
        for _ in range(MAX_DRAWS):
            latent = self.draw(random)
            if latent is not None and split_of(self.key(latent)) == split:
                id = f"{self.name}/{split}/{index}"
                return Problem(id=id, task=self.name, **self.pose(latent, split, random))
        raise ValueError(
            f"{self.name}: no {split} problem among {MAX_DRAWS} draws; "
            "make the problems longer or their numbers larger"
        )


def require(holds: bool, task: Generated, field: str, rule: str) -> None:
    """Raises ValueError naming a knob, its rule and its value unless the rule holds."""
    if not holds:
        raise ValueError(f"{task.name}: {field} must be {rule}, got {getattr(task, field)!r}")


def require_arithmetic(task: Generated) -> None:
    """The knobs ``operations`` and ``noise``, which chains of operations have in common."""
    known = "".join(OPERATORS)
    operations = set(task.operations)
    require(
        bool(operations) and operations <= set(known), task, "operations", f"one or more of {known}"
    )
    require(0 <= task.noise <= 1, task, "noise", "in [0, 1]")


def below(random: Random, limit: int) -> int:
    """A uniform integer in [0, limit); a third of the cost of randrange."""
    return int(random.random() * limit)


def slip(value: int, noise: float, values: int, random: Random) -> int:
    """A noisy teacher's value: with chance `noise` one drawn uniformly from range(values)."""
    return below(random, values) if random.random() < noise else value
