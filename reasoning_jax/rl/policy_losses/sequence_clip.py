"""The clipped surrogate of whole responses, RLOO's in TRL."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import MAX_LOG_RATIO, at_least_float32, log_ratio
from reasoning_jax.rl.policy_losses.clip import clipped_surrogate


def sequence_clip(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    low: float = 0.2,
    high: float = 0.2,
) -> jax.Array:
    """``clip`` with ρ the product of the row's ratios and A the mean of its advantages.

    A response is one action (RLOO, arXiv 2402.14740). All [B, T], 0 off ``mask``: the loss of a row
    is spread evenly over its tokens, so that ``seq_mean_token_sum`` gives the mean over rows;
    there the gradient on policy is -A on every token. Ratios of long responses leave any
    clip range soon: for one update per batch.
    """
    log_ratios = log_ratio(logprobs, old_logprobs, mask).sum(axis=1, keepdims=True)
    ratio = jnp.exp(jnp.clip(log_ratios, -MAX_LOG_RATIO, MAX_LOG_RATIO))
    length = jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
    advantages = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(advantages)), 0)
    mean = advantages.sum(axis=1, keepdims=True) / length
    row = clipped_surrogate(ratio, mean, mask.any(axis=1, keepdims=True), low=low, high=high)
    return jnp.where(mask, row / length, 0)
