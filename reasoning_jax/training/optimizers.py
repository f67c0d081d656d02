"""AdamW with a schedule, a clip and a choice of what decays."""

from collections.abc import Callable
from typing import Any

import jax
import optax


def adamw(
    schedule: optax.Schedule,
    *,
    b1: float = 0.9,
    b2: float = 0.95,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decay_mask: Callable[[Any], Any] | None = None,
    clip_norm: float = 1.0,
) -> optax.GradientTransformation:
    """Clips the global gradient norm, then AdamW.

    Args:
      schedule: learning rate of each step.
      decay_mask: parameters -> pytree of bools, True where weight decay applies.
      clip_norm: largest global gradient norm.
    """
    return optax.chain(
        optax.clip_by_global_norm(clip_norm),
        optax.adamw(schedule, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay, mask=decay_mask),
    )


def decay_kernels(params: Any) -> Any:
    """Decay matrices only: no norm scale, no bias, no embedding."""
    return _by_name(params, lambda name: name not in ("scale", "bias", "embedding"))


def decay_all_but_embeddings(params: Any) -> Any:
    """Decay norms and biases too, but not the embedding (OLMo 2)."""
    return _by_name(params, lambda name: name != "embedding")


def decay_all(params: Any) -> Any:
    """Decay every parameter."""
    return _by_name(params, lambda name: True)


def _by_name(params: Any, decays: Callable[[str], bool]) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: decays(path[-1].key), params)
