"""Generalised advantage estimation (arXiv 1506.02438, equation 16)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def gae(
    rewards: jax.Array,
    values: jax.Array,
    mask: jax.Array,
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
) -> tuple[jax.Array, jax.Array]:
    """Advantages and returns, both [B, T], 0 off ``mask``, without gradient.

    δ_t = r_t + γ V_u - V_t and A_t = δ_t + γ λ A_u, where u is the next token of ``mask``: over
    tokens that were not sampled, value and advantage are carried. After the last token both
    are 0, for truncated rows too. Returns are A + V, what the values are fitted to.
    """

    def step(after: tuple, column: tuple) -> tuple[tuple, jax.Array]:
        reward, value, here = column
        next_advantage, next_value = after
        delta = reward + gamma * next_value - value
        advantage = jnp.where(here, delta + gamma * lam * next_advantage, next_advantage)
        return (advantage, jnp.where(here, value, next_value)), advantage

    rewards, values = (
        jax.lax.stop_gradient(jnp.where(mask, at_least_float32(x), 0)) for x in (rewards, values)
    )
    end = jnp.zeros_like(rewards[:, 0]), jnp.zeros_like(values[:, 0])
    advantages = jax.lax.scan(step, end, (rewards.T, values.T, mask.T), reverse=True)[1].T
    return jnp.where(mask, advantages, 0), jnp.where(mask, advantages + values, 0)
