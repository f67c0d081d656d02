"""Losses of language modelling per token; ``reasoning_jax.rl.aggregate`` makes the scalar."""

import jax
import jax.numpy as jnp


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-log softmax(logits)[label] in float32: [..., V] and [...] int -> [...].

    Labels of padding may be any id in [0, V); their losses are left out by weight 0.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def z_loss(logsumexp: jax.Array) -> jax.Array:
    """Square of the log-normaliser of the softmax (arXiv 2204.02311); usual coefficient 1e-5."""
    return jnp.square(logsumexp)
