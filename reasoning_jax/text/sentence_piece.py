"""SentencePiece models, read from a file or trained on the spot."""

import io
import os
import pathlib
from collections.abc import Iterable, Sequence

from reasoning_jax.text.special_tokens import (
    read_special_tokens,
    required_eos,
    write_special_tokens,
)
from reasoning_jax.text.tokenizer import Tokenizer


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece ``.model`` file.

    Prompts start with the model's BOS where it has one (Gemma and Llama require it) unless a
    ``tokenizer_config.json`` beside it says ``"add_bos_token": false``.

    Args:
      path: the ``.model`` file.
      eos_ids: the ids that end a sequence, instead of those of the files.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is damaged, or no end-of-sequence id is known.
    """

    file_name = "tokenizer.model"

    def __init__(self, path: str | os.PathLike, eos_ids: Sequence[int] = ()):
        import sentencepiece

        path = pathlib.Path(path)
        proto = path.read_bytes()
        try:
            self._model = model = sentencepiece.SentencePieceProcessor(model_proto=proto)
        except RuntimeError as error:
            raise ValueError(f"{path} is not a readable SentencePiece model: {error}") from error
        self.vocab_size = model.vocab_size()
        self._special = special = read_special_tokens(path.parent, self._find, self.vocab_size)

        def own(index: int) -> tuple[int, ...]:
            return (index,) if index >= 0 else ()  # the library says -1 for "none"

        self.eos_ids = required_eos(eos_ids or special.eos_ids or own(model.eos_id()), path)
        bos_ids = own(model.bos_id()) if special.bos_id is None else (special.bos_id,)
        self.bos_id = bos_ids[0] if bos_ids and special.add_bos is not False else None
        pad_ids = own(model.pad_id()) if special.pad_id is None else (special.pad_id,)
        self.pad_id = (pad_ids or self.eos_ids)[0]

    def _find(self, token: str) -> int | None:
        index = self._model.piece_to_id(token)
        return index if self._model.id_to_piece(index) == token else None  # else it is <unk>

    def encode(self, text: str) -> list[int]:
        return self._model.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        dropped = {*self.eos_ids, self.bos_id, self.pad_id}
        return self._model.decode([int(i) for i in ids if int(i) not in dropped])

    def save(self, folder: str | os.PathLike) -> None:
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file_name).write_bytes(self._model.serialized_model_proto())
        write_special_tokens(folder, self, self._model.id_to_piece, self._special)


def train_sentencepiece(
    texts: Iterable[str],
    vocab_size: int,
    path: str | os.PathLike,
    *,
    model_type: str = "bpe",
) -> SentencePieceTokenizer:
    """Trains a SentencePiece model whose decoding gives back every text exactly.

    Digits are pieces of their own, unseen characters fall back to bytes, and white space is kept
    as it is: no prefix space, so a continuation encodes as it would inside the text. Ids: 0
    padding, 1 end of sequence, 2 unknown, no BOS.

    Args:
      texts: the training texts.
      vocab_size: number of ids, at least 259 (special and byte pieces) plus the characters.
      path: the ``.model`` file to write.
      model_type: ``"bpe"`` or ``"unigram"``.

    Raises:
      ValueError: the texts do not support that vocabulary size, or no such model type.
    """
    import sentencepiece

    proto = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=proto,
            vocab_size=vocab_size,
            model_type=model_type,
            split_digits=True,
            byte_fallback=True,
            character_coverage=1.0,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"cannot train a {model_type} model of {vocab_size} pieces: {error}"
        ) from error
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.getvalue())
    return SentencePieceTokenizer(path)
