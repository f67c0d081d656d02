"""Clip-Cov: no gradient for some tokens of high covariance (arXiv 2505.22617)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.policy_losses.clip import clip


def clip_cov(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    selected: jax.Array,
    *,
    low: float = 0.2,
    high: float = 0.2,
) -> jax.Array:
    """``clip``, and 0 on the ``selected`` tokens, which still count in the mean; all [B, T].

    ``selected`` comes from ``covariances_in_band`` of the whole optimiser batch.
    """
    return jnp.where(
        selected, 0, clip(logprobs, old_logprobs, advantages, mask, low=low, high=high)
    )
