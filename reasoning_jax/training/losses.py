"""Losses of language modelling beside the log-likelihood."""

import jax
import jax.numpy as jnp


def z_loss(logsumexp: jax.Array) -> jax.Array:
    """Square of the log-normaliser of the softmax (arXiv 2204.02311); usual coefficient 1e-5."""
    return jnp.square(logsumexp)
