"""Statistics over the samples of one prompt, found by explicit group id and given back per row.

Every function takes ``group_ids`` [B] int32 in [0, B) and ``row_mask`` [B] bool, and returns [B]:
the statistic of the row's group, 0 (False) on rows outside ``row_mask``, which count nowhere.
``values`` is [B]; sums are in float32.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def size(group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """Rows of the group, float32."""
    return _sum(jnp.ones(group_ids.shape, jnp.float32), group_ids, row_mask)


def mean(values: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """Mean of the group."""
    total = _sum(at_least_float32(values), group_ids, row_mask)
    return total / jnp.maximum(size(group_ids, row_mask), 1)


def mean_of_others(values: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """Mean over the other rows of the group; 0 in a group of one."""
    values = jnp.where(row_mask, at_least_float32(values), 0)
    others = _sum(values, group_ids, row_mask) - values
    return others / jnp.maximum(size(group_ids, row_mask) - 1, 1)


def constant(values: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """Whether all values of the group are equal, bool; true of a group of one."""
    values = at_least_float32(values)
    lowest = jax.ops.segment_min(jnp.where(row_mask, values, jnp.inf), group_ids, len(values))
    highest = jax.ops.segment_max(jnp.where(row_mask, values, -jnp.inf), group_ids, len(values))
    return row_mask & (lowest == highest)[group_ids]


def deviation(values: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """Value minus the mean of its group; exactly 0 in a constant group, whatever the rounding."""
    varies = row_mask & ~constant(values, group_ids, row_mask)
    return jnp.where(varies, at_least_float32(values) - mean(values, group_ids, row_mask), 0)


def std(
    values: jax.Array, group_ids: jax.Array, row_mask: jax.Array, *, ddof: int = 1
) -> jax.Array:
    """Standard deviation with n - ``ddof`` in the denominator: 1 sample, 0 population.

    Exactly 0 in a constant group, a group of one included.
    """
    squares = jnp.square(deviation(values, group_ids, row_mask))
    freedom = jnp.maximum(size(group_ids, row_mask) - ddof, 1)
    return jnp.sqrt(_sum(squares, group_ids, row_mask) / freedom)


def standardise(
    values: jax.Array,
    group_ids: jax.Array,
    row_mask: jax.Array,
    *,
    ddof: int = 1,
    eps: float = 1e-6,
) -> jax.Array:
    """Deviation / (std + ``eps``); exactly 0 in a constant group, whatever ``eps``."""
    deviations = deviation(values, group_ids, row_mask)
    scale = std(values, group_ids, row_mask, ddof=ddof) + eps
    return jnp.where(deviations == 0, 0, deviations / scale)


def _sum(values: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    totals = jax.ops.segment_sum(jnp.where(row_mask, values, 0), group_ids, len(values))
    return jnp.where(row_mask, totals[group_ids], 0)
