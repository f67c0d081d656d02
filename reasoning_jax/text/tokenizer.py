"""The one interface of every tokenizer."""

import os
from collections.abc import Iterable
from typing import Protocol


class Tokenizer(Protocol):
    """Text to ids and back.

    Attributes:
      vocab_size: every id is in [0, vocab_size); a model may have more (padding) rows.
      eos_ids: ids that end a sequence; a policy is trained on the first and may stop at any.
      bos_id: the id that every prompt starts with, or None where the tokenizer wants none.
      pad_id: fills the rest of a row; masks come from lengths, so it may equal another id.
    """

    vocab_size: int
    eos_ids: tuple[int, ...]
    bos_id: int | None
    pad_id: int

    @property
    def eos_id(self) -> int:
        """The end-of-sequence id that training appends."""
        return self.eos_ids[0]

    def encode(self, text: str) -> list[int]:
        """Ids of ``text`` alone, with no beginning- or end-of-sequence id."""
        ...

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a text that starts a sequence: ``bos_id`` first, where there is one."""
        start = [] if self.bos_id is None else [self.bos_id]
        return start + self.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids`` without special tokens."""
        ...

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the files from which ``load_tokenizer(folder)`` makes an equal tokenizer."""
        ...
