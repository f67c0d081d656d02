"""Step sizes kept below what the curvature of the energy allows.

Descent with step size a on a quadratic of largest eigenvalue h converges for a h < 2; beyond it
every step climbs. Energies of positions have nothing to do with each other, so one
Hessian-vector product serves all positions at once.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import EnergyContext
from reasoning_jax.models.energy.thinking import Start, Thinking, Thoughts, energy_slope, think


def largest_curvature(
    model: EnergyModel,
    params: dict,
    context: EnergyContext,
    candidates: jax.Array,
    steps_B: jax.Array,
    keys_B: jax.Array,
    iterations: int = 2,
) -> jax.Array:
    """Estimate [B, T] of the largest |eigenvalue| of d2E/dy2 of every position, from below.

    Power iteration from a random direction; the Hessian is applied by a forward derivative of the
    gradient. Candidates need an attention with a second derivative, as always.

    Args:
      candidates: [B, T, V] where the curvature is asked.
      keys_B: of the directions that the iteration begins with.
      iterations: products with the Hessian, at least 1.
    """
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; a power iteration takes at least 1")

    def slope(candidates: jax.Array) -> jax.Array:
        return energy_slope(model, params, context, candidates, steps_B)[0]

    def turn(direction: jax.Array, _) -> tuple[jax.Array, jax.Array]:
        product = jax.jvp(slope, (candidates,), (_unit(direction),))[1]
        return product, jnp.linalg.norm(product, axis=-1)

    shape = candidates.shape[1:]
    first = jax.vmap(lambda key: jax.random.normal(key, shape, jnp.float32))(keys_B)
    # A constant shift of the logits is no direction: softmax does not see it.
    first = first - first.mean(axis=-1, keepdims=True)
    _, sizes = jax.lax.scan(turn, first.astype(candidates.dtype), length=iterations)
    return sizes[-1]


def within_curvature(
    params: dict, start: Start, curvature_BxT: jax.Array, limit: float = 1.0
) -> Start:
    """The start with step sizes of at most ``limit`` / curvature, below 2 to descend."""
    if not 0 < limit < 2:
        raise ValueError(f"limit is {limit}; a step descends for limits in (0, 2)")
    size = jnp.maximum(params["step_size"], 1e-12)
    most = limit / jnp.maximum(curvature_BxT, 1e-12) / size
    return start._replace(step_scales=jnp.minimum(start.step_scales, most))


def think_within_curvature(
    model: EnergyModel,
    params: dict,
    context: EnergyContext,
    start: Start,
    thinking: Thinking,
    *,
    limit: float = 1.0,
    iterations: int = 2,
) -> Thoughts:
    """``think`` with the step size of each position capped by the curvature at its start."""
    first = jnp.zeros_like(start.n_steps)
    curvature = largest_curvature(
        model, params, context, start.candidates, first, start.keys, iterations
    )
    return think(
        model, params, context, within_curvature(params, start, curvature, limit), thinking
    )


def _unit(x: jax.Array) -> jax.Array:
    """Of length 1 along the last axis; 0 stays."""
    size = jnp.linalg.norm(x, axis=-1, keepdims=True)
    return x / jnp.where(size > 0, size, 1)
