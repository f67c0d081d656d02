"""SAPO: a sigmoid gate on the ratio in place of clipping (arXiv 2511.20347)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32, importance_ratio


def sapo(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    positive: float = 1.0,
    negative: float = 1.05,
) -> jax.Array:
    """-A (4/τ) sigmoid(τ (ρ - 1)) with τ by the sign of A; all [B, T], 0 off ``mask``.

    The factor 4/τ makes the slope 1 on policy, so that the gradient is -A there.

    Args:
      positive, negative: temperatures τ where A > 0 and elsewhere, above 0; the larger one
        fades faster.

    Raises:
      ValueError: a temperature is not above 0.
    """
    if positive <= 0 or negative <= 0:
        raise ValueError(f"positive {positive}, negative {negative}: temperatures must exceed 0")
    advantages = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(advantages)), 0)
    temperature = jnp.where(advantages > 0, positive, negative)
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    return -advantages * 4 / temperature * jax.nn.sigmoid(temperature * (ratio - 1))
