"""ReFT's terminal reward: some credit for an answer that can be read (arXiv 2401.08967)."""

import jax
import jax.numpy as jnp


def graded(correct: jax.Array, extracted: jax.Array, *, partial: float = 0.1) -> jax.Array:
    """1 where right, ``partial`` where wrong but ``extracted``, else 0; [B] float32."""
    return jnp.where(correct == 1, 1.0, jnp.where(extracted, partial, 0.0))
