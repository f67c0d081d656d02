"""Entropy of the policy's next-token distribution, and its bonus as a loss."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def token_entropy(logits: jax.Array) -> jax.Array:
    """Entropy in nats of softmax(``logits``), [..., V] -> [...].

    ``logits`` are already divided by the sampling temperature; -inf is probability 0. The
    gradient is -p_v (log p_v + H).
    """
    log_p = jax.nn.log_softmax(at_least_float32(logits), axis=-1)
    return -jnp.sum(jnp.exp(log_p) * jnp.where(jnp.isneginf(log_p), 0, log_p), axis=-1)


def entropy_bonus(entropies: jax.Array, mask: jax.Array) -> jax.Array:
    """Token losses -H, [B, T], 0 off ``mask``: to aggregate like the policy loss and scale."""
    return jnp.where(mask, -at_least_float32(entropies), 0)
