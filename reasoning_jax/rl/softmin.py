"""PURE's min-form credit: step rewards whose sum is nearly their minimum (arXiv 2504.15275)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def softmin_rewards(
    step_rewards: jax.Array, step_mask: jax.Array, *, temperature: float = 0.1
) -> jax.Array:
    """softmax(-r/T)_k r_k over the steps of a row; [B, S], 0 off ``step_mask``.

    Their sum tends to min r as T -> 0: the return is about the minimum up to the worst step and
    about 0 after it.

    Raises:
      ValueError: ``temperature`` is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must exceed 0 (strict: future_minimum)")
    rewards = jnp.where(step_mask, at_least_float32(step_rewards), 0)
    shares = jax.nn.softmax(-rewards / temperature, axis=1, where=step_mask)
    # A row without steps has no shares, but nan.
    return jnp.where(step_mask, shares, 0) * rewards


def future_minimum(step_rewards: jax.Array, step_mask: jax.Array) -> jax.Array:
    """min of the step's reward and all later ones, the strict min-form; [B, S], 0 off the mask."""
    rewards = jnp.where(step_mask, at_least_float32(step_rewards), jnp.inf)
    return jnp.where(step_mask, jax.lax.cummin(rewards, axis=1, reverse=True), 0)


def score_of_logits(logits: jax.Array) -> jax.Array:
    """p(good) - p(bad) in (-1, 1) of a two-class head, [..., 2] (bad, good) -> [...]."""
    logits = at_least_float32(logits)
    return jnp.tanh((logits[..., 1] - logits[..., 0]) / 2)
