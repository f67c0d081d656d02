"""Scores of K responses as the distribution a policy is asked to match."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def soft_labels(scores: jax.Array, mask: jax.Array, temperature: float) -> jax.Array:
    """softmax(score / temperature) over the K responses of a row that are there.

    Args:
      scores: [B, K], larger is better.
      mask: [B, K] bool, responses that are there.
      temperature: the α of arXiv 2402.05369, above 0.

    Returns:
      [B, K] float32, 0 off the mask and on rows without a response.

    Raises:
      ValueError: ``temperature`` is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it divides the scores, give one above 0")
    scores = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(scores)), -jnp.inf)
    best = jnp.max(scores, axis=-1, keepdims=True, where=mask, initial=-jnp.inf)
    powers = jnp.where(mask, jnp.exp((scores - jnp.where(mask, best, 0)) / temperature), 0)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    return powers / jnp.where(total > 0, total, 1)
