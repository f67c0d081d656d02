"""A learning rate of its own for the step size of an energy model."""

from collections.abc import Callable
from typing import Any

import jax
import optax

STEP_SIZE = "step_size"


def with_step_size_rate(
    optimizer: optax.GradientTransformation, rate: float
) -> optax.GradientTransformation:
    """Multiplies what ``optimizer`` does to the step size; 0 keeps it as it is.

    Adam's updates do not depend on the scale of gradients, so this is Adam at ``rate`` times the
    learning rate of the other parameters (arXiv:2507.02092 takes about three times the size).
    """
    if rate < 0:
        raise ValueError(f"step_size_rate is {rate}; a multiple of a learning rate is at least 0")

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = optimizer.update(updates, state, params)
        return jax.tree_util.tree_map_with_path(
            lambda path, u: rate * u if path[-1].key == STEP_SIZE else u, updates
        ), state

    return optax.GradientTransformation(optimizer.init, update)


def spare_step_size(decay_mask: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same choice of what decays, but for the step size: it has its own scale."""

    def mask(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, decays: decays and path[-1].key != STEP_SIZE, decay_mask(params)
        )

    return mask
