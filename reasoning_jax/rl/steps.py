"""Between values per step [B, S] and values per token [B, T], by ``Rollouts.step_ends``.

A step ends at its ``step_ends`` and begins after the end of the step before; ends increase.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.needs import require
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def require_steps(rollouts: Rollouts, reader: str) -> None:
    """Raises MissingField where a step field is None, naming the function that reads it."""
    require(rollouts, reader, "step_rewards", "step_ends", "step_mask")


def steps_taking_part(rollouts: Rollouts) -> jax.Array:
    """[B, S] bool: the steps of rows that take part."""
    return rollouts.step_mask & rollouts.row_mask[:, None]


def step_of_token(rollouts: Rollouts) -> jax.Array:
    """[B, T] int32: the step a token is in; S after the last step and in rows that are out."""
    present = steps_taking_part(rollouts)
    rows, count = jnp.arange(len(present))[:, None], present.shape[1]
    numbers = jnp.where(present, jnp.arange(count, dtype=jnp.int32), count)
    ends = jnp.where(present, rollouts.step_ends, 0)
    at_end = jnp.full(rollouts.mask.shape, count, jnp.int32).at[rows, ends].min(numbers)
    return jax.lax.cummin(at_end, axis=1, reverse=True)


def tokens_per_step(rollouts: Rollouts) -> jax.Array:
    """[B, S] int32: sampled tokens of each step."""
    steps, count = step_of_token(rollouts), rollouts.step_mask.shape[1]
    rows = jnp.arange(len(steps))[:, None]
    counts = jnp.zeros((len(steps), count + 1), jnp.int32)
    return counts.at[rows, steps].add(rollouts.loss_mask)[:, :count]


def at_step_ends(step_values: jax.Array, rollouts: Rollouts) -> jax.Array:
    """[B, S] -> [B, T]: each value on the last token of its step, 0 elsewhere."""
    present = steps_taking_part(rollouts)
    rows = jnp.arange(len(present))[:, None]
    ends = jnp.where(present, rollouts.step_ends, 0)
    values = jnp.where(present, at_least_float32(step_values), 0)
    return jnp.zeros(rollouts.mask.shape, values.dtype).at[rows, ends].add(values)


def over_steps(step_values: jax.Array, rollouts: Rollouts, after: jax.Array) -> jax.Array:
    """[B, S] -> [B, T]: each value on every token of its step, ``after`` [B] behind the last."""
    every = jnp.concatenate([at_least_float32(step_values), after[:, None]], axis=1)
    return jnp.take_along_axis(every, step_of_token(rollouts), axis=1)
