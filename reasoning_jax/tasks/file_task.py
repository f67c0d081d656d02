"""What all file-backed benchmarks share: where their files are, their splits, their prompts."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from reasoning_jax.tasks.records import parse_records
from reasoning_jax.tasks.splits import check_index, check_split
from reasoning_jax.types import Problem, StepLabels

QUESTION = "{question}"


@dataclasses.dataclass(frozen=True)
class Item:
    """One parsed record.

    Attributes:
      question: what goes into the prompt.
      answer: the gold answer.
      solution: a response to imitate, which grades as right; or None.
      info: for `Problem.info`.
      split: the record's own split, where the file mixes them; None takes that of the file.
    """

    question: str
    answer: str
    solution: str | None = None
    info: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    split: str | None = None


@dataclasses.dataclass(frozen=True)
class Sources:
    """The files of a data set.

    Attributes:
      files: for each split, the names (relative to the data folder) that its file goes by, the
        preferred one first. Splits are disjoint unless the authors' are not.
      parse: one JSON record -> Item; ValueError names what is wrong with it.
    """

    files: Mapping[str, tuple[str, ...]]
    parse: Callable[[Mapping[str, Any]], Item]


class FileTask:
    """Splits, indexing and prompts of a benchmark read from a folder, or from one file.

    A subclass is a frozen dataclass with the fields ``name``, ``sources``, ``data``, ``prompt``,
    ``validation_size`` and ``_items``, and grades.
    """

    alphabet = ""

    def __post_init__(self):
        if QUESTION not in self.prompt:
            raise ValueError(
                f"{self.name}: prompt is {self.prompt!r}; it must hold {QUESTION} where the "
                "question goes"
            )
        object.__setattr__(self, "_items", self._read(pathlib.Path(self.data)))
        available = len(self._items.get("train", ()))
        if self.validation_size and "validation" in self._items:
            raise ValueError(
                f"{self.name} has a validation split of its own; leave validation_size at 0"
            )
        if not 0 <= self.validation_size <= available:
            raise ValueError(
                f"{self.name}: validation_size must be in [0, {available}], the number of "
                f"training problems, got {self.validation_size}"
            )

    def size(self, split: str) -> int:
        """Number of problems of a split."""
        return len(self._split(split))

    def problem(self, split: str, index: int) -> Problem:
        """Problem `index` of a split, in the order of the file."""
        items = self._split(split)
        check_index(self.name, split, index, len(items))
        item = items[index]
        return Problem(
            id=f"{self.name}/{split}/{index}",
            task=self.name,
            prompt=self.prompt.replace(QUESTION, item.question),
            answer=item.answer,
            solution=item.solution,
            info=item.info,
        )

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Raises ValueError: the files say nothing of the steps of a response."""
        raise ValueError(
            f"{self.name} has no truth for single steps, only for the outcome; label steps by a "
            "reward model or by sampling continuations, or use an embedded task"
        )

    def _split(self, split: str) -> tuple[Item, ...]:
        check_split(split)
        held_out = len(self._items.get("train", ())) - self.validation_size
        if self.validation_size and split != "test":
            train = self._items["train"]
            return train[:held_out] if split == "train" else train[held_out:]
        if split in self._items:
            return self._items[split]
        if split == "validation" and "train" in self._items:
            raise ValueError(
                f"{self.name} has no validation split of its own: set validation_size to hold out "
                "the last problems of train"
            )
        if split in self.sources.files:
            wanted = " or ".join(self.sources.files[split])
            raise FileNotFoundError(f"{self.name}: no {wanted} in {self.data}")
        raise ValueError(f"{self.name} has no {split} split, only {', '.join(self._items)}")

    def _read(self, path: pathlib.Path) -> dict[str, tuple[Item, ...]]:
        paths = self._paths(path)
        items: dict[str, list[Item]] = {}
        for split, file in paths.items():
            for item in parse_records(file, self.sources.parse):
                items.setdefault(item.split or split, []).append(item)
        return {split: tuple(found) for split, found in items.items()}

    def _paths(self, path: pathlib.Path) -> dict[str, pathlib.Path]:
        files = self.sources.files
        if path.is_file():
            if len(files) > 1:
                raise ValueError(
                    f"{self.name} has a file for each of {', '.join(files)}: give their folder, "
                    f"not {path}"
                )
            return {split: path for split in files}
        if not path.is_dir():
            raise FileNotFoundError(f"{self.name}: no folder or file {path}")
        found = {}
        for split, names in files.items():
            existing = [path / name for name in names if (path / name).is_file()]
            if existing:
                found[split] = existing[0]
        if not found:
            wanted = ", ".join(name for names in files.values() for name in names)
            raise FileNotFoundError(f"{self.name}: none of {wanted} in {path}")
        return found
