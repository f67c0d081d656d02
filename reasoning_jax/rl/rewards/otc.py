"""OTC: rewards for right answers with few tool calls (arXiv 2504.14870)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def few_calls(calls: jax.Array, *, smoothing: float) -> jax.Array:
    """cos(m π / (2m + c)) of m calls (OTC-PPO): 1 at m = 0, falling to 0; [B].

    Args:
      smoothing: c above 0; the larger, the more tolerant.

    Raises:
      ValueError: ``smoothing`` is not above 0.
    """
    if smoothing <= 0:
        raise ValueError(f"smoothing is {smoothing}; it must exceed 0")
    calls = at_least_float32(calls)
    return jnp.cos(calls * jnp.pi / (2 * calls + smoothing))


def optimal_calls(calls: jax.Array, optimum: jax.Array, *, smoothing: float) -> jax.Array:
    """How near m calls are to the optimum n, in [0, 1] (OTC-GRPO); [B].

    sin(f π / 2n) with f = 2nm/(m + n): 1 at m = n, the same at m/n and n/m, 0 at m = 0. Where n
    is 0 it is ``few_calls``.
    """
    few = few_calls(calls, smoothing=smoothing)
    calls, optimum = at_least_float32(calls), at_least_float32(optimum)
    # f / 2n = m / (m + n), which needs no division by n.
    share = calls / jnp.where(optimum > 0, calls + optimum, 1)
    return jnp.where(optimum > 0, jnp.sin(share * jnp.pi), few)


def fewest_calls(
    calls: jax.Array, correct: jax.Array, group_ids: jax.Array, row_mask: jax.Array
) -> jax.Array:
    """The fewest calls of a right answer of the group, [B] float32; 0 where none is right."""
    counted = row_mask & (correct == 1)
    candidates = jnp.where(counted, at_least_float32(calls), jnp.inf)
    fewest = jax.ops.segment_min(candidates, group_ids, len(calls))[group_ids]
    return jnp.where(row_mask & jnp.isfinite(fewest), fewest, 0)


def otc(
    calls: jax.Array,
    correct: jax.Array,
    group_ids: jax.Array,
    row_mask: jax.Array,
    *,
    scale: float = 1.0,
    smoothing: float = 1.0,
) -> jax.Array:
    """``otc_against`` the group's ``fewest_calls``; [B]."""
    optimum = fewest_calls(calls, correct, group_ids, row_mask)
    return otc_against(calls, correct, optimum, row_mask, scale=scale, smoothing=smoothing)


def otc_against(
    calls: jax.Array,
    correct: jax.Array,
    optimum: jax.Array,
    row_mask: jax.Array,
    *,
    scale: float = 1.0,
    smoothing: float = 1.0,
) -> jax.Array:
    """scale · ``optimal_calls`` where right, else 0; [B].

    The product, not a sum: a sum pays for leaving tools away without being right.
    """
    earned = scale * optimal_calls(calls, optimum, smoothing=smoothing)
    return jnp.where(row_mask & (correct == 1), earned, 0)


def tool_productivity(calls: jax.Array, correct: jax.Array) -> jax.Array:
    """Right answers per tool call over all rows, a scalar; nan where nothing was called."""
    total = at_least_float32(calls).sum()
    right = (correct == 1).sum()
    return jnp.where(total > 0, right / jnp.where(total > 0, total, 1), jnp.nan)
