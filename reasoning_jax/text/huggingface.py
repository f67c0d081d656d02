"""``tokenizer.json`` files, through the ``tokenizers`` library."""

import itertools
import os
import pathlib
from collections.abc import Iterable, Sequence

from reasoning_jax.text.special_tokens import (
    SpecialTokens,
    read_special_tokens,
    required_eos,
    write_special_tokens,
)
from reasoning_jax.text.tokenizer import Tokenizer


class HFTokenizer(Tokenizer):
    """A ``tokenizer.json`` with the files that stand beside it in a model folder.

    Prompts start with BOS where ``add_bos_token`` of ``tokenizer_config.json`` says so; where it
    is silent, where the post-processor adds one.

    Args:
      path: the ``tokenizer.json`` file.
      eos_ids: the ids that end a sequence, instead of those of the files.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a file is damaged, no end-of-sequence id is known, or the tokenizer starts
        prompts in a way this class cannot follow.
    """

    file_name = "tokenizer.json"

    def __init__(self, path: str | os.PathLike, eos_ids: Sequence[int] = ()):
        import tokenizers

        path = pathlib.Path(path)
        content = path.read_bytes()
        try:
            self._model = model = tokenizers.Tokenizer.from_buffer(content)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(
                f"{path} is not a readable tokenizer.json ({error}); is it complete?"
            ) from error
        # Files saved after training may hold a maximum length, at which texts would be cut.
        model.no_truncation()
        model.no_padding()
        self.vocab_size = 1 + max(model.get_vocab(with_added_tokens=True).values())
        self._special = special = read_special_tokens(
            path.parent, model.token_to_id, self.vocab_size
        )
        self.eos_ids = required_eos(eos_ids or special.eos_ids, path)
        self.bos_id = self._prompt_start(special, path)
        self.pad_id = self.eos_id if special.pad_id is None else special.pad_id

    def _prompt_start(self, special: SpecialTokens, path: pathlib.Path) -> int | None:
        if special.add_bos is False:
            return None
        if special.add_bos and special.bos_id is not None:
            return special.bos_id
        probe = self._model.encode("a", add_special_tokens=True)
        added = list(itertools.takewhile(bool, probe.special_tokens_mask))
        start = probe.ids[: len(added)]
        if len(start) > 1 or (special.add_bos and not start):
            raise ValueError(
                f"{path}: prompts start with {start}, expected one id; name it as bos_token in "
                'tokenizer_config.json, or set "add_bos_token": false there'
            )
        return start[0] if start else None

    def encode(self, text: str) -> list[int]:
        return self._model.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        dropped = {*self.eos_ids, self.bos_id, self.pad_id}
        kept = [int(i) for i in ids if int(i) not in dropped]
        return self._model.decode(kept, skip_special_tokens=True)

    def save(self, folder: str | os.PathLike) -> None:
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._model.save(str(folder / self.file_name))
        write_special_tokens(folder, self, self._model.id_to_token, self._special)
