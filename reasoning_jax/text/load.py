"""One way to every tokenizer."""

import os
import pathlib

from reasoning_jax.text.char import CharTokenizer
from reasoning_jax.text.huggingface import HFTokenizer
from reasoning_jax.text.sentence_piece import SentencePieceTokenizer
from reasoning_jax.text.tokenizer import Tokenizer

_CHAR = "char:"
# In the order in which a folder is searched.
_LOADERS = {
    HFTokenizer.file_name: HFTokenizer,
    SentencePieceTokenizer.file_name: SentencePieceTokenizer,
    CharTokenizer.file_name: CharTokenizer.load,
}


def load_tokenizer(source: str | os.PathLike) -> Tokenizer:
    """Loads a tokenizer.

    Args:
      source: a folder with ``tokenizer.json``, ``tokenizer.model`` or ``char_tokenizer.json`` (the
        first of them found), one such file, any SentencePiece ``.model``, or
        ``"char:<alphabet>"``.

    Raises:
      FileNotFoundError: there is no such file or folder, or the folder holds none of them.
      ValueError: the file is of another kind, is damaged, or knows no end-of-sequence id.
    """
    source = os.fspath(source)
    if source.startswith(_CHAR):
        return CharTokenizer(source.removeprefix(_CHAR))
    path = pathlib.Path(source)
    if path.is_dir():
        for name, load in _LOADERS.items():
            if (path / name).is_file():
                return load(path / name)
        raise FileNotFoundError(f"no tokenizer in {path}: looked for {', '.join(_LOADERS)}")
    if not path.exists():
        raise FileNotFoundError(
            f"no tokenizer at {source!r}: no such file or folder; give a folder with one of "
            f"{', '.join(_LOADERS)}, such a file, a SentencePiece .model, or 'char:<alphabet>'"
        )
    if path.name in _LOADERS:
        return _LOADERS[path.name](path)
    if path.suffix == ".model":
        return SentencePieceTokenizer(path)
    if path.suffix == ".json":
        return HFTokenizer(path)
    raise ValueError(f"cannot tell which tokenizer {path} is: expected a .json or .model file")
