"""GSM8K (Cobbe et al. 2021, arXiv 2110.14168), read from its official files."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import evaluate
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.tasks.splits import check_index, check_split
from reasoning_jax.types import Problem, StepLabels, Verdict
from reasoning_jax.verify import after_hashes, compare, parse_number

FILES = {"train": "train.jsonl", "test": "test.jsonl"}
CALCULATOR = ("strip", "keep")

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a file: question, worked solution without its last line, and gold numeral."""

    question: str
    work: str
    gold: str


@dataclasses.dataclass(frozen=True)
class GSM8K:
    """Grade-school word problems: ``Question: ...\\nAnswer:``, the solution ending in ``#### 72``.

    Attributes:
      data: folder with train.jsonl and test.jsonl (one of them is enough for its own splits).
      validation_size: the last so many training problems become the validation split.
      calculator: "keep" or "strip" the ``<<48/2=24>>`` annotations of solutions.

    Raises:
      FileNotFoundError: naming the folder or file looked for.
      ValueError: for an unknown option value, or naming file, line and fault of a broken row.
    """

    name: ClassVar[str] = "gsm8k"
    alphabet: ClassVar[str] = ""

    data: str
    validation_size: int = 0
    calculator: str = "strip"
    _rows: Mapping[str, tuple[Row, ...]] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self):
        if self.calculator not in CALCULATOR:
            raise ValueError(
                f"gsm8k: calculator must be one of {', '.join(CALCULATOR)}, got {self.calculator!r}"
            )
        object.__setattr__(self, "_rows", _read_folder(pathlib.Path(self.data)))
        available = len(self._rows.get("train", ()))
        if not 0 <= self.validation_size <= available:
            raise ValueError(
                f"gsm8k: validation_size must be in [0, {available}], the number of training "
                f"problems, got {self.validation_size}"
            )

    def size(self, split: str) -> int:
        """Number of problems of a split."""
        return len(self._split(split))

    def problem(self, split: str, index: int) -> Problem:
        """Problem `index` of a split, in the order of the file."""
        rows = self._split(split)
        check_index(self.name, split, index, len(rows))
        row = rows[index]
        work = _ANNOTATION.sub("", row.work) if self.calculator == "strip" else row.work
        return Problem(
            id=f"{self.name}/{split}/{index}",
            task=self.name,
            prompt=f"Question: {row.question}\nAnswer:",
            answer=row.gold,
            # The blank keeps the end of the prompt and the first word apart in any tokenizer.
            solution=f" {work}\n#### {row.gold}",
        )

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judges the number after ``####`` exactly; without the mark there is no answer."""
        return compare(after_hashes(response), problem.answer)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A step is a line. Valid: every ``<<a=b>>`` in it holds, to the decimals it states.

        Correct is the same, for no reference fixes the way to the answer, except on a ``####``
        line, which is correct when its number is the gold one. A line without annotations makes
        no claim that can be checked and counts as valid.
        """
        lines = [line.strip() for line in response.strip().splitlines() if line.strip()]
        valid = [all(map(_holds, _ANNOTATION.findall(line))) for line in lines]
        correct = [
            bool(self.grade(problem, line).correct) if "####" in line else holds
            for line, holds in zip(lines, valid)
        ]
        return step_labels(lines, correct, valid)

    def _split(self, split: str) -> tuple[Row, ...]:
        check_split(split)
        if split == "validation" and not self.validation_size:
            raise ValueError(
                "gsm8k has no validation split of its own: set validation_size to hold out the "
                "last problems of train"
            )
        file = "test" if split == "test" else "train"
        if file not in self._rows:
            raise FileNotFoundError(f"gsm8k: no {FILES[file]} in {self.data}")
        rows = self._rows[file]
        held_out = len(rows) - self.validation_size
        match split:
            case "train":
                return rows[:held_out]
            case "validation":
                return rows[held_out:]
        return rows


def _read_folder(folder: pathlib.Path) -> dict[str, tuple[Row, ...]]:
    if not folder.is_dir():
        raise FileNotFoundError(f"gsm8k: no folder {folder}")
    paths = {split: folder / name for split, name in FILES.items()}
    rows = {split: _read_file(path) for split, path in paths.items() if path.is_file()}
    if not rows:
        raise FileNotFoundError(f"gsm8k: neither {' nor '.join(FILES.values())} in {folder}")
    return rows


def _read_file(path: pathlib.Path) -> tuple[Row, ...]:
    rows = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(_parse(json.loads(line)))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    return tuple(rows)


def _parse(record: Any) -> Row:
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, got {type(record).__name__}")
    for field in ("question", "answer"):
        if not isinstance(record.get(field), str):
            raise ValueError(f"expected a text {field!r}, got {record.get(field)!r}")
    work, mark, gold = record["answer"].rpartition("####")
    gold = gold.strip().replace(",", "")
    if not mark:
        raise ValueError('the answer has no "#### " line')
    if parse_number(gold) is None:
        raise ValueError(f'expected a number after "####", got {gold!r}')
    return Row(record["question"].strip(), work.strip(), gold)


def _holds(annotation: str) -> bool:
    left, _, right = annotation.partition("=")
    try:
        value, stated = evaluate(left), evaluate(right)
    except ValueError:
        return False
    decimals = len(right.strip().partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals else 0
    return abs(value - stated) <= slack
