"""CISPO: REINFORCE weighted by a clipped importance ratio (arXiv 2506.13585)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import importance_ratio
from reasoning_jax.rl.policy_losses.reinforce import reinforce


def cispo(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    low: float = 1.0,
    high: float = 0.28,
) -> jax.Array:
    """-sg(clip(ρ, 1 - low, 1 + high)) A log π; all [B, T], 0 off ``mask``.

    No token loses its gradient: clipping bounds its weight only. ``high`` is relative as in the
    paper, the cap being 1 + high (TRL's ``epsilon_high`` is the cap itself); ``low`` 1 means no
    lower bound, as the paper trains. The value is a surrogate; only its gradient means something.
    """
    ratio = jnp.clip(importance_ratio(logprobs, old_logprobs, mask), 1 - low, 1 + high)
    return jax.lax.stop_gradient(ratio) * reinforce(logprobs, old_logprobs, advantages, mask)
