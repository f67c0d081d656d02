"""NCA: K scored responses, each against the reference policy (arXiv 2402.05369)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.soft_labels import soft_labels
from reasoning_jax.rl.numerics import at_least_float32


def nca(
    log_ratios: jax.Array,
    scores: jax.Array,
    mask: jax.Array,
    *,
    beta: float = 0.1,
    temperature: float = 1.0,
) -> jax.Array:
    """-Σ_i softmax(score/α)_i log σ(R_i) - mean_i log σ(-R_i), R = β log π/π_ref; [B].

    All arguments are [B, K], ``mask`` bool, off which nothing is read; ``temperature`` is α.
    """
    labels = soft_labels(scores, mask, temperature)
    rewards = beta * jnp.where(mask, at_least_float32(log_ratios), 0)
    count = jnp.maximum(jnp.sum(mask, axis=-1), 1)
    against = jnp.sum(jnp.where(mask, jax.nn.log_sigmoid(-rewards), 0), axis=-1) / count
    return -jnp.sum(labels * jax.nn.log_sigmoid(rewards), axis=-1) - against
