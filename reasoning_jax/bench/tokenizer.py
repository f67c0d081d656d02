"""Ids as text, so that whole vocabularies can be measured without a tokenizer of their size."""

import os
from collections.abc import Iterable


class IdTokenizer:
    """A `Tokenizer` of numbers between spaces; no id ends a sequence."""

    eos_ids: tuple[int, ...] = ()
    bos_id = None
    pad_id = 0

    def __init__(self, vocab_size: int):
        self.vocab_size = vocab_size

    def encode(self, text: str) -> list[int]:
        """``"5 17"`` -> [5, 17]."""
        return [int(word) for word in text.split()]

    encode_prompt = encode

    def decode(self, ids: Iterable[int]) -> str:
        """[5, 17] -> ``"5 17"``."""
        return " ".join(map(str, ids))

    def save(self, folder: str | os.PathLike) -> None:
        """Writes nothing: the numbers are the text."""
