"""InfoNCA: K scored responses to a prompt against each other (arXiv 2402.05369)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.soft_labels import soft_labels
from reasoning_jax.rl.numerics import at_least_float32


def info_nca(
    log_ratios: jax.Array,
    scores: jax.Array,
    mask: jax.Array,
    *,
    beta: float = 0.1,
    temperature: float = 1.0,
) -> jax.Array:
    """-Σ_i softmax(score/α)_i log softmax(β log π/π_ref)_i over the responses of a row; [B].

    With two responses and all the score on one it is DPO. All arguments are [B, K], ``mask``
    bool, off which nothing is read; ``temperature`` is α.
    """
    labels = soft_labels(scores, mask, temperature)
    rewards = beta * jnp.where(mask, at_least_float32(log_ratios), 0)
    # A row without any response: one finite logit, so that its gradient is 0 and not nan.
    there = mask | ~jnp.any(mask, axis=-1, keepdims=True)
    log_shares = jax.nn.log_softmax(jnp.where(there, rewards, -jnp.inf), axis=-1)
    return -jnp.sum(labels * jnp.where(there, log_shares, 0), axis=-1)
