"""One id per character: the tokenizer that needs no download."""

import json
import os
import pathlib
from collections.abc import Iterable

from reasoning_jax.text.tokenizer import Tokenizer


class CharTokenizer(Tokenizer):
    """Ids: 0 padding, 1 end of sequence, then the characters of the alphabet in its order.

    Raises:
      ValueError: the alphabet is empty or holds a character twice.
    """

    file_name = "char_tokenizer.json"
    bos_id = None
    pad_id = 0
    eos_ids = (1,)

    def __init__(self, alphabet: str):
        twice = sorted({char for char in alphabet if alphabet.count(char) > 1})
        if twice or not alphabet:
            problem = f"holds {twice} more than once" if twice else "is empty"
            raise ValueError(f"alphabet {alphabet!r} {problem}; list each character once")
        self.alphabet = alphabet
        self._first = 1 + max(self.pad_id, *self.eos_ids)
        self._ids = {char: self._first + i for i, char in enumerate(alphabet)}
        self.vocab_size = self._first + len(alphabet)

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``; ValueError at the first character outside the alphabet."""
        try:
            return [self._ids[char] for char in text]
        except KeyError as error:
            char = error.args[0]
            raise ValueError(
                f"character {char!r} at position {text.index(char)} of {text!r} is not in the "
                f"alphabet {self.alphabet!r}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; ValueError at an id outside the vocabulary."""
        ids = [int(i) for i in ids]
        outside = [i for i in ids if not 0 <= i < self.vocab_size]
        if outside:
            raise ValueError(f"ids {outside} are outside the vocabulary of {self.vocab_size}")
        return "".join(self.alphabet[i - self._first] for i in ids if i >= self._first)

    def save(self, folder: str | os.PathLike) -> None:
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file_name).write_text(json.dumps({"alphabet": self.alphabet}))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "CharTokenizer":
        """Reads the file that ``save`` wrote; ValueError where it is damaged."""
        try:
            return cls(json.loads(pathlib.Path(path).read_text())["alphabet"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f'{path} is not a character tokenizer, {{"alphabet": "..."}}: {error!r}'
            ) from error
