"""Tulu 3's verifiable reward (arXiv 2411.15124)."""

import jax
import jax.numpy as jnp


def verified_and_finished(
    correct: jax.Array, finished: jax.Array, *, right: float = 10.0, unfinished: float = -10.0
) -> jax.Array:
    """``right`` for a right answer, 0 for others, ``unfinished`` instead where cut; [B] float32."""
    return jnp.where(finished, jnp.where(correct == 1, right, 0.0), unfinished)
