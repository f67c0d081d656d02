"""What a study is: named arms, a baseline among them, a budget, and what to compare."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Lines = Sequence[Mapping[str, Any]]
"""The lines of a run's metrics.jsonl."""

BUDGETS = ("steps", "completions", "tokens", "cpu_seconds")
_NAME = re.compile(r"[\w+.-]+")


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way of doing it.

    Attributes:
      config: config file, with its variant after a colon, as ``launch.train --config`` takes it.
      overrides: dotted key below ``config`` -> value.
    """

    config: str
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def flags(self) -> tuple[str, ...]:
        """The flags of ``launch.train`` that choose this arm."""
        settings = (f"--config.{key}={value}" for key, value in self.overrides.items())
        return (f"--config={self.config}", *settings)


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number of every finished run that arms are compared by.

    Attributes:
      label: heading of its column.
      of: metric lines -> the number; ValueError where the lines lack it.
      unit: "%" for fractions, which are shown times 100; else what stands behind the number.
    """

    label: str
    of: Callable[[Lines], float]
    unit: str = "%"

    @property
    def scale(self) -> float:
        """What values are multiplied by to be shown."""
        return 100.0 if self.unit == "%" else 1.0


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every arm may spend alike.

    Attributes:
      kind: ``steps``, ``completions`` or ``tokens`` (sampled) of one stage, or ``cpu_seconds`` of
        the run, a shared warm-up apart.
      stage: the stage whose spending counts; unused for ``cpu_seconds``.
      tolerance: largest relative difference to the baseline that still counts as equal.
    """

    kind: str = "steps"
    stage: str = "rl"
    tolerance: float = 0.05


@dataclasses.dataclass(frozen=True)
class Curve:
    """A metric of one stage drawn over its steps."""

    stage: str
    name: str
    label: str
    unit: str = "%"


@dataclasses.dataclass(frozen=True)
class Study:
    """Arms compared over seeds.

    Attributes:
      name: of the study.
      question: what it asks, in a sentence.
      arms: name -> arm.
      baseline: the arm that differences are taken to.
      budget: checked after the runs, and reported.
      measures: columns of the table; the first one orders the bars.
      curves: what is drawn over training.
      shared: names of first stages that arms with equal settings of them run once per seed.
      pass_at_k: evaluation stage whose ``eval/pass@k`` are drawn over k, and, to set beside it,
        an earlier one that all arms share; empty for no such figure.
      seeds: runs of each arm, with ``config.seed`` 0, 1, ...

    Raises:
      ValueError: no such baseline, a name that cannot be a folder, an unknown kind of budget.
    """

    name: str
    question: str
    arms: Mapping[str, Arm]
    baseline: str
    measures: tuple[Measure, ...]
    budget: Budget = Budget()
    curves: tuple[Curve, ...] = ()
    shared: tuple[str, ...] = ()
    pass_at_k: tuple[str, ...] = ()
    seeds: int = 3

    def __post_init__(self):
        if self.baseline not in self.arms:
            raise ValueError(
                f"study {self.name}: the baseline {self.baseline!r} is no arm; arms are "
                f"{', '.join(self.arms) or 'missing'}"
            )
        for name in self.arms:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"study {self.name}: arm {name!r} names a folder: use letters, digits, _+.-"
                )
        if not self.measures:
            raise ValueError(f"study {self.name} has no measures: name at least one")
        if self.budget.kind not in BUDGETS:
            raise ValueError(
                f"study {self.name}: budget of {self.budget.kind!r}; choose {', '.join(BUDGETS)}"
            )
        if self.seeds < 1:
            raise ValueError(f"study {self.name}: seeds is {self.seeds}; give at least 1")
