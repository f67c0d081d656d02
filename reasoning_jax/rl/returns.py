"""Discounted sums of what is still to come."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def returns_to_go(rewards: jax.Array, mask: jax.Array, *, gamma: float = 1.0) -> jax.Array:
    """G_t = r_t + γ G_u with u the next token of ``mask``; [B, T], 0 off ``mask``.

    Tokens between, as results of tools are, neither count as time nor break the sum.
    """

    def step(to_come: jax.Array, column: tuple) -> tuple[jax.Array, jax.Array]:
        reward, here = column
        to_come = jnp.where(here, reward + gamma * to_come, to_come)
        return to_come, jnp.where(here, to_come, 0)

    rewards = jnp.where(mask, at_least_float32(rewards), 0)
    nothing = jnp.zeros_like(rewards[:, 0])
    return jax.lax.scan(step, nothing, (rewards.T, mask.T), reverse=True)[1].T
