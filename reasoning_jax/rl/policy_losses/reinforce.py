"""The score-function policy gradient (Williams, 1992)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def reinforce(
    logprobs: jax.Array, old_logprobs: jax.Array, advantages: jax.Array, mask: jax.Array
) -> jax.Array:
    """-A log π(token); all [B, T], 0 off ``mask``.

    Without a ratio there is no use for ``old_logprobs``; it is here so that every policy loss
    is called alike.
    """
    del old_logprobs
    advantages = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(advantages)), 0)
    return -advantages * jnp.where(mask, at_least_float32(logprobs), 0)
