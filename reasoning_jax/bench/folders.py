"""Model folders with random weights, written once, that every contestant loads."""

import json
import os
import pathlib

import jax

from reasoning_jax.bench.shapes import SHAPES
from reasoning_jax.models import ModelConfig, init_params, save_hf


def model_folder(shape: str, parent: str | os.PathLike) -> pathlib.Path:
    """``parent/shape`` with the weights of seed 0; written where it is not there yet.

    Raises:
      ValueError: no such shape, naming those that are.
    """
    if shape not in SHAPES:
        raise ValueError(f"no shape {shape!r}; choose one of {', '.join(SHAPES)}")
    folder = pathlib.Path(parent) / shape
    if not (folder / "config.json").exists():
        sizes = SHAPES[shape]
        config = ModelConfig(**sizes.model_fields())
        params = init_params(config, jax.random.key(0))
        write_tokenizer(folder, sizes.vocab_size)
        save_hf(folder, config, params, jax.numpy.dtype(sizes.dtype), token_ids={"eos_token_id": 0})
    return folder


def write_tokenizer(folder: str | os.PathLike, vocab_size: int) -> None:
    """A ``tokenizer.json`` whose words are the numbers below ``vocab_size``; 0 ends a sequence."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    words = {str(number): number for number in range(vocab_size)}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "1"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "0"}))
