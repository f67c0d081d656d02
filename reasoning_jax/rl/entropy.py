"""The bonus for entropy, as a loss."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def entropy_bonus(entropies: jax.Array, mask: jax.Array) -> jax.Array:
    """Token losses -H, [B, T], 0 off ``mask``: to aggregate like the policy loss and scale."""
    return jnp.where(mask, -at_least_float32(entropies), 0)
