"""What of a model is trained: all of it, or adapters over a frozen base."""

import dataclasses
from collections.abc import Callable
from typing import Any

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
)


@dataclasses.dataclass(frozen=True)
class Trainable:
    """A trained tree, and how it makes a model's parameters with the frozen rest.

    Attributes:
      abstract: shapes and dtypes of the trained tree.
      shardings: NamedSharding of each of its leaves.
      mesh: of the shardings.
      assemble: (trained, frozen) -> parameters to apply; copies no array.
      merge: (trained, frozen) -> parameters to export, in the layout of the model alone.
    """

    abstract: Any
    shardings: Any
    mesh: Mesh
    assemble: Callable[[Any, Any], dict]
    merge: Callable[[Any, Any], dict]


def all_parameters(config: ModelConfig, mesh: Mesh) -> Trainable:
    """Every parameter is trained; nothing is frozen."""

    def whole(trained: dict, frozen: None) -> dict:
        return trained

    return Trainable(abstract_params(config), param_shardings(config, mesh), mesh, whole, whole)


def adapters(config: ModelConfig, lora: LoraConfig, mesh: Mesh) -> Trainable:
    """Low-rank adapters are trained; the parameters they are laid over are frozen."""
    return Trainable(
        abstract_lora(config, lora),
        lora_shardings(config, lora, mesh),
        mesh,
        lambda trained, frozen: combine(frozen, trained, lora.scale),
        lambda trained, frozen: merge(frozen, trained, lora.scale),
    )
