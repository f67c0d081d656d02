"""Ways to merge a list of models, all called alike; the numerics are those of ``merging``."""

from collections.abc import Sequence

from reasoning_jax.models import merging


def linear(models: Sequence[dict], *, weights: Sequence[float] = ()) -> dict:
    """Weighted mean; without ``weights`` all count alike."""
    return merging.linear(models, tuple(weights) or (1.0,) * len(models))


def slerp(models: Sequence[dict], *, t: float = 0.5) -> dict:
    """Between the first (t = 0) and the second (t = 1) along an arc.

    Raises:
      ValueError: other than two models, or ``t`` outside [0, 1].
    """
    if len(models) != 2:
        raise ValueError(f"slerp goes from one model to another; {len(models)} were given")
    return merging.slerp(*models, t)


def ties(models: Sequence[dict], *, density: float = 0.2, scale: float = 1.0) -> dict:
    """What the others learnt from the first one, which they all began as."""
    return merging.ties(models[0], models[1:], density=density, scale=scale)
