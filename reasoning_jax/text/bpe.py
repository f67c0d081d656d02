"""Byte-level BPE as Qwen2 trains it, on the spot."""

import json
import os
import pathlib
from collections.abc import Iterable

from reasoning_jax.text.huggingface import HFTokenizer

# In order: English contractions; letters, with one leading non-letter such as a space; one digit;
# punctuation with the newlines after it; newlines; spaces.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_BYTES = 256


def train_bpe(texts: Iterable[str], vocab_size: int, folder: str | os.PathLike) -> HFTokenizer:
    """Trains a byte-level BPE and writes it as a Qwen2-style model folder has it.

    Text is NFC-normalised and every digit is a token of its own. The last ids are
    ``<|endoftext|>`` (end of sequence and padding), ``<|im_start|>`` and ``<|im_end|>``.

    Args:
      texts: the training texts.
      vocab_size: most ids wanted, specials included; short texts may give fewer.
      folder: where ``tokenizer.json`` and ``tokenizer_config.json`` are written.

    Raises:
      ValueError: ``vocab_size`` does not hold the bytes and the special tokens.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    least = _BYTES + len(_SPECIAL)
    if vocab_size < least:
        raise ValueError(
            f"vocab_size {vocab_size} is too small: {_BYTES} bytes and {len(_SPECIAL)} special "
            f"tokens need {least}"
        )
    model = Tokenizer(models.BPE())
    model.normalizer = normalizers.NFC()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    model.add_special_tokens(list(_SPECIAL))

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(str(folder / HFTokenizer.file_name))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_bos_token": False,
        "bos_token": None,
        "eos_token": _SPECIAL[0],
        "pad_token": _SPECIAL[0],
        "additional_special_tokens": list(_SPECIAL[1:]),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    return HFTokenizer(folder / HFTokenizer.file_name)
