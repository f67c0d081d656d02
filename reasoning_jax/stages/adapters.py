"""The adapters of a run, as its config names them."""

import dataclasses

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import (
    LoraConfig,
    ModelConfig,
    init_lora,
    load_peft,
    read_lora,
    target_projections,
)


def lora_block() -> ConfigDict:
    """Low-rank adapters; at its defaults there are none and all parameters are trained."""
    block = ConfigDict()
    block.rank = 0  # inner size; 0 trains all parameters
    block.alpha = 32.0  # numerator of the scale
    block.targets = ("attention/*", "mlp/*")  # patterns over the projections of a layer
    block.dropout = 0.0  # share of the inputs of A that a supervised update zeroes
    # (alpha, rank) -> scale
    block.scaling = ConfigDict({"name": "reasoning_jax.models.lora.alpha_over_rank"})
    block.base_dtype = "float32"  # of the frozen parameters; bfloat16 halves their memory
    # a folder saved by PEFT to begin with; it brings rank, alpha, targets and scaling
    block.adapter = ""
    return block


def build_lora(block: ConfigDict, model: ModelConfig) -> LoraConfig | None:
    """The adapters that a ``lora_block`` describes, or None.

    Raises:
      ValueError, FileNotFoundError: something in it that cannot work.
    """
    if block.base_dtype not in ("float32", "bfloat16"):
        raise ValueError(
            f"config.lora.base_dtype is {block.base_dtype!r}; choose float32 or bfloat16"
        )
    if block.adapter:
        if block.rank:
            raise ValueError(
                f"config.lora.rank is {block.rank} and config.lora.adapter brings its own; "
                "leave rank at 0"
            )
        return dataclasses.replace(read_lora(block.adapter, model), dropout=block.dropout)
    if not block.rank:
        return None
    scaling = function(block.scaling, "config.lora.scaling")
    lora = LoraConfig(block.rank, block.alpha, tuple(block.targets), scaling, block.dropout)
    target_projections(model, lora)
    return lora


def first_adapters(
    block: ConfigDict, model: ModelConfig, lora: LoraConfig, seed: int, mesh: Mesh
) -> dict:
    """The adapters a run begins with: read from a folder, or fresh ones that change nothing."""
    if block.adapter:
        return load_peft(block.adapter, model, mesh)[1]
    return init_lora(model, lora, jax.random.key(seed), mesh)
