"""Plain text from a file: documents to learn to continue, nothing to grade."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

from reasoning_jax.tasks.records import SUFFIXES, parse_records
from reasoning_jax.tasks.splits import SPLITS, check_index, check_split, split_of
from reasoning_jax.types import Problem, StepLabels, Verdict

# A tokenizer of characters serves texts of no more different ones.
MOST_CHARACTERS = 512


@dataclasses.dataclass(frozen=True)
class PlainText:
    """The documents of a text file, or of the records of a JSON-lines or Parquet file.

    A document belongs to a split by a hash of itself: 80 % train, 10 % validation, 10 % test,
    and a text that stands twice is in one split alone. It is the solution of an empty prompt.

    Attributes:
      data: the file.
      field: of a record, where its text stands.
      separator: what stands between the documents of a text file; "" makes one of it all.
    """

    name: ClassVar[str] = "text"

    data: str
    field: str = "text"
    separator: str = "\n\n"
    _documents: Mapping[str, tuple[str, ...]] = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        path = pathlib.Path(self.data)
        if not path.is_file():
            raise FileNotFoundError(f"{self.name}: no file {path}; give a text or JSON-lines file")
        found: dict[str, list[str]] = {split: [] for split in SPLITS}
        for text in self._read(path):
            found[split_of(text)].append(text)
        if not found["train"]:
            raise ValueError(
                f"{path} has {sum(map(len, found.values()))} documents and none for training; set "
                f"separator (it is {self.separator!r}) to what stands between them"
            )
        object.__setattr__(self, "_documents", {k: tuple(v) for k, v in found.items()})

    @property
    def alphabet(self) -> str:
        """The characters of the text, or "" where they are more than MOST_CHARACTERS."""
        characters = {c for texts in self._documents.values() for text in texts for c in text}
        return "".join(sorted(characters)) if len(characters) <= MOST_CHARACTERS else ""

    def size(self, split: str) -> int:
        """Number of documents of a split."""
        check_split(split)
        return len(self._documents[split])

    def problem(self, split: str, index: int) -> Problem:
        """Document `index` of a split, as the solution of an empty prompt."""
        check_index(self.name, split, index, self.size(split))
        text = self._documents[split][index]
        id = f"{self.name}/{split}/{index}"
        return Problem(id=id, task=self.name, prompt="", answer="", solution=text)

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Plain text has no answers."""
        return Verdict(None, "no_answer")

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Raises ValueError: plain text has no steps."""
        raise ValueError(f"{self.name} has no steps to label")

    def _read(self, path: pathlib.Path) -> list[str]:
        if path.name.endswith(SUFFIXES):
            return [text for text in parse_records(path, self._of_record) if text]
        whole = path.read_text(encoding="utf-8")
        texts = whole.split(self.separator) if self.separator else [whole]
        return [text for text in texts if text.strip()]

    def _of_record(self, record: Mapping[str, Any]) -> str:
        text = record.get(self.field)
        if not isinstance(text, str):
            fields = ", ".join(record)
            raise ValueError(f"field {self.field!r} is no text; the fields are {fields}")
        return text
