"""Named sizes for training from scratch."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from reasoning_jax.models.config import ModelConfig

# name -> sizes; the vocabulary comes from the tokenizer
PRESETS: dict[str, dict[str, Any]] = {
    "nano": dict(d_model=64, n_layers=2, n_heads=4, n_kv_heads=4, head_dim=16, d_ff=192),
    "micro": dict(d_model=96, n_layers=3, n_heads=4, n_kv_heads=4, head_dim=24, d_ff=256),
    "mini": dict(d_model=192, n_layers=4, n_heads=6, n_kv_heads=2, head_dim=32, d_ff=512),
    "small": dict(d_model=384, n_layers=6, n_heads=6, n_kv_heads=2, head_dim=64, d_ff=1024),
}


def preset(name: str, vocab_size: int, overrides: Mapping[str, Any] | None = None) -> ModelConfig:
    """A ModelConfig by name, fields replaced by ``overrides``.

    Raises:
      ValueError: unknown preset or field, naming the choices.
    """
    if name not in PRESETS:
        raise ValueError(
            f"model {name!r} is neither a folder with a config.json nor a preset; "
            f"presets: {', '.join(PRESETS)}"
        )
    overrides = dict(overrides or {})
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    for key in overrides:
        if key not in known:
            raise ValueError(f"model override {key!r} is not a field; fields: {sorted(known)}")
    return ModelConfig(**{"vocab_size": vocab_size, **PRESETS[name], **overrides})
