"""The loss of value estimates, clipped around the old ones as in PPO's public code."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def value_loss(
    values: jax.Array,
    old_values: jax.Array,
    returns: jax.Array,
    mask: jax.Array,
    *,
    clip: float = 0.2,
) -> jax.Array:
    """max((V - G)², (V_clipped - G)²) / 2, V_clipped within ``clip`` of V_old; all [B, T].

    0 off ``mask``; no gradient to ``old_values`` and ``returns``. To aggregate and weigh like a
    policy loss: ReFT (arXiv 2401.08967) takes 5 times its ``seq_mean_token_mean``.
    """

    def within(x: jax.Array) -> jax.Array:
        return jnp.where(mask, at_least_float32(x), 0)

    values = within(values)
    old_values, returns = (jax.lax.stop_gradient(within(x)) for x in (old_values, returns))
    clipped = old_values + jnp.clip(values - old_values, -clip, clip)
    plain, held = jnp.square(values - returns), jnp.square(clipped - returns)
    return jnp.where(held > plain, held, plain) / 2
