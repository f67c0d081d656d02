"""TOPR: tapered off-policy REINFORCE (arXiv 2503.14286), with the ratio of tokens."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import importance_ratio
from reasoning_jax.rl.policy_losses.reinforce import reinforce


def topr(
    logprobs: jax.Array, old_logprobs: jax.Array, advantages: jax.Array, mask: jax.Array
) -> jax.Array:
    """-A log π where A > 0, -sg(min(ρ, 1)) A log π elsewhere; all [B, T], 0 off ``mask``.

    Good tokens keep the weight 1 however far the policy left them, bad ones fade. The paper
    sorts by the sign of the reward, which is that of A when no baseline is subtracted
    (``advantages.w_reinforce``), and takes the ratio of the sequence; the ratio of tokens is
    that of public code. The value is a surrogate; only its gradient means something.
    """
    ratio = jax.lax.stop_gradient(importance_ratio(logprobs, old_logprobs, mask))
    weight = jnp.where(advantages > 0, 1, jnp.minimum(ratio, 1))
    return weight * reinforce(logprobs, old_logprobs, advantages, mask)
