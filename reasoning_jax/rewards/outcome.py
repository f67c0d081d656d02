"""A reward model of single answers: is it right? (arXiv 2110.14168, ReFT's reranker 2401.08967)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def outcome_loss(scores: jax.Array, right: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean cross-entropy of sigmoid(score) over the masked answers of a row; [B, K] -> [B].

    Called as ``rl.listwise_loss``; unlike it, it also learns from rows of one kind. 0 where a row
    has no answer.
    """
    scores = jnp.where(mask, at_least_float32(scores), 0)
    losses = -jax.nn.log_sigmoid(jnp.where(right, scores, -scores))
    return jnp.where(mask, losses, 0).sum(axis=1) / jnp.maximum(mask.sum(axis=1), 1)
