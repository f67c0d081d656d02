"""Model folders with random weights, written once, that every contestant loads."""

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
        save_hf(folder, config, params, jax.numpy.dtype(sizes.dtype))
    return folder
