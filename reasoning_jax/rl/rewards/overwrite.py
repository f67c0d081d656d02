"""A fixed reward in place of what a degenerate response earned (T1, arXiv 2501.11651)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def overwrite(rewards: jax.Array, penalised: jax.Array, *, value: float = -1.0) -> jax.Array:
    """``value`` where ``penalised`` (repetition, garbage, over-length), else the reward; [B]."""
    return jnp.where(penalised, value, at_least_float32(rewards))
