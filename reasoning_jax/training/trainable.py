"""What of a model is trained: all of it, or adapters over a frozen base."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from reasoning_jax.models import (
    LoraConfig,
    ModelConfig,
    abstract_lora,
    abstract_params,
    combine,
    lora_shardings,
    merge,
    param_shardings,
    with_dropout,
)


@dataclasses.dataclass(frozen=True)
class Trainable:
    """A trained tree, and how it makes a model's parameters with the frozen rest.

    Attributes:
      abstract: shapes and dtypes of the trained tree.
      shardings: NamedSharding of each of its leaves.
      mesh: of the shardings.
      assemble: (trained, frozen) -> parameters to apply; copies no array.
      assemble_update: (trained, frozen, step) -> those of an update, which dropout may thin.
      merge: (trained, frozen) -> parameters to export, in the layout of the model alone.
    """

    abstract: Any
    shardings: Any
    mesh: Mesh
    assemble: Callable[[Any, Any], dict]
    assemble_update: Callable[[Any, Any, jax.Array], dict]
    merge: Callable[[Any, Any], dict]


def all_parameters(config: ModelConfig, mesh: Mesh) -> Trainable:
    """Every parameter is trained; nothing is frozen."""

    def whole(trained: dict, frozen: None) -> dict:
        return trained

    return Trainable(
        abstract_params(config),
        param_shardings(config, mesh),
        mesh,
        assemble=whole,
        assemble_update=lambda trained, frozen, step: trained,
        merge=whole,
    )


def adapters(config: ModelConfig, lora: LoraConfig, mesh: Mesh, seed: int = 0) -> Trainable:
    """Low-rank adapters are trained; the parameters they are laid over are frozen.

    Args:
      seed: of the masks of dropout, which are the same for all micro-batches of a step.
    """

    def assemble(trained: dict, frozen: dict) -> dict:
        return combine(frozen, trained, lora.scale)

    def assemble_update(trained: dict, frozen: dict, step: jax.Array) -> dict:
        params = assemble(trained, frozen)
        if not lora.dropout:
            return params
        return with_dropout(params, lora.dropout, jax.random.fold_in(jax.random.key(seed), step))

    return Trainable(
        abstract_lora(config, lora),
        lora_shardings(config, lora, mesh),
        mesh,
        assemble,
        assemble_update,
        merge=lambda trained, frozen: merge(frozen, trained, lora.scale),
    )
