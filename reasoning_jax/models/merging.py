"""Several models of one architecture as one: linear, SLERP and TIES merging of parameter trees.

All compute in float32 and give the dtypes of their first argument's leaves. ``save_hf`` writes
the result as a model folder.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

_STACKED = "layers"  # the subtree whose leaves hold all layers along their first axis
_PARALLEL = 0.9995  # cosine from which on the arc is as good as its chord


def linear(models: Sequence[dict], weights: Sequence[float]) -> dict:
    """Σ_i w_i θ_i / Σ_i w_i of every parameter (model soups, arXiv 2203.05482).

    Raises:
      ValueError: no models, another number of weights, weights that sum to 0, or trees that differ.
    """
    _check_alike(models)
    if len(weights) != len(models) or not sum(weights):
        raise ValueError(
            f"weights {tuple(weights)} for {len(models)} models; give one each, not summing to 0"
        )
    total = sum(weights)

    def mean(*leaves: jax.Array) -> jax.Array:
        merged = sum(w / total * leaf.astype(jnp.float32) for w, leaf in zip(weights, leaves))
        return merged.astype(leaves[0].dtype)

    return jax.tree.map(mean, *models)


def slerp(first: dict, second: dict, t: float) -> dict:
    """The way from ``first`` (t = 0) to ``second`` (t = 1) along an arc, tensor by tensor.

    sin((1 - t) ω)/sin ω θ_1 + sin(t ω)/sin ω θ_2, ω the angle between a tensor and its
    counterpart (Shoemake, 1985). Tensors in the same or in opposite directions, and zeros, are
    interpolated linearly. Every layer has its own angle.

    Raises:
      ValueError: ``t`` outside [0, 1], or trees that differ.
    """
    _check_alike((first, second))
    if not 0 <= t <= 1:
        raise ValueError(f"t is {t}; it must lie in [0, 1]")

    def arc(a: jax.Array, b: jax.Array) -> jax.Array:
        x, y = a.astype(jnp.float32), b.astype(jnp.float32)
        norms = jnp.linalg.norm(x.ravel()) * jnp.linalg.norm(y.ravel())
        cosine = jnp.sum(x * y) / jnp.where(norms > 0, norms, 1)
        curved = (norms > 0) & (jnp.abs(cosine) < _PARALLEL)
        angle = jnp.arccos(jnp.where(curved, cosine, 0))
        of_first = jnp.where(curved, jnp.sin((1 - t) * angle) / jnp.sin(angle), 1 - t)
        of_second = jnp.where(curved, jnp.sin(t * angle) / jnp.sin(angle), t)
        return (of_first * x + of_second * y).astype(a.dtype)

    return _by_tensor(arc, first, second)


def ties(base: dict, models: Sequence[dict], *, density: float = 0.2, scale: float = 1.0) -> dict:
    """TIES merging of what models learnt from one base (arXiv 2306.01708, algorithm 1).

    Of each task vector τ_i = θ_i - θ_base only the ``density`` largest entries by magnitude, over
    all parameters, are kept; each parameter elects the sign of their sum; and to the base is
    added ``scale`` times the mean of those that are kept and agree with it.

    Raises:
      ValueError: no models, ``density`` outside (0, 1], or trees that differ.
    """
    _check_alike((base, *models))
    if not models:
        raise ValueError("no models to merge into the base; give at least one")
    if not 0 < density <= 1:
        raise ValueError(f"density is {density}; it must lie in (0, 1]")

    def difference(leaf: jax.Array, start: jax.Array) -> jax.Array:
        return leaf.astype(jnp.float32) - start.astype(jnp.float32)

    trimmed = [_trim(jax.tree.map(difference, model, base), density) for model in models]

    def elect(start: jax.Array, *tasks: jax.Array) -> jax.Array:
        sign = jnp.sign(sum(tasks))
        agree = [(task != 0) & (jnp.sign(task) == sign) for task in tasks]
        total = sum(jnp.where(voter, task, 0) for voter, task in zip(agree, tasks))
        change = total / jnp.maximum(sum(voter.astype(jnp.float32) for voter in agree), 1)
        return (start.astype(jnp.float32) + scale * change).astype(start.dtype)

    return jax.tree.map(elect, base, *trimmed)


def _trim(task: dict, density: float) -> dict:
    """The tree with all but its largest entries by magnitude 0; equal ones at the end stay."""
    sizes = jnp.sort(jnp.concatenate([jnp.abs(leaf).ravel() for leaf in jax.tree.leaves(task)]))
    least = sizes[sizes.size - math.ceil(density * sizes.size)]
    return jax.tree.map(lambda leaf: jnp.where(jnp.abs(leaf) >= least, leaf, 0), task)


def _by_tensor(function: Callable[..., jax.Array], *trees: dict) -> dict:
    """Maps over leaves, and over the layers of those that hold all of them."""

    def apply(path: tuple, *leaves: jax.Array) -> jax.Array:
        stacked = path[0].key == _STACKED
        return (jax.vmap(function) if stacked else function)(*leaves)

    return jax.tree_util.tree_map_with_path(apply, *trees)


def _check_alike(models: Sequence[dict]) -> None:
    """ValueError unless all trees have the same names and shapes."""
    if not models:
        raise ValueError("no models to merge; give at least one")
    shapes = [
        {
            jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
            for path, leaf in jax.tree_util.tree_leaves_with_path(model)
        }
        for model in models
    ]
    for index, other in enumerate(shapes[1:], start=1):
        for name in sorted(shapes[0].keys() | other.keys()):
            if shapes[0].get(name) != other.get(name):
                raise ValueError(
                    f"model {index} has {name} of shape {other.get(name)}, the first one of "
                    f"{shapes[0].get(name)}; only models of one architecture can be merged"
                )
