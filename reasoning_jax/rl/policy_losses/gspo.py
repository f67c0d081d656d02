"""GSPO: the ratio of whole sequences, clipped (arXiv 2507.18071)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import MAX_LOG_RATIO, importance_ratio, log_ratio
from reasoning_jax.rl.policy_losses.clip import clipped_surrogate


def gspo(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    low: float = 3e-4,
    high: float = 4e-4,
) -> jax.Array:
    """Clipped surrogate of s_i = exp(mean_t log π/π_old), on every token; all [B, T].

    The ratio of token t is sg(s_i) π/sg(π): its value is s_i, its gradient that of the token
    alone (GSPO-token, equation 14). Under ``seq_mean_token_mean`` the loss is the mean over rows
    of max(-A s, -A clip(s)) and token t has gradient -A s_i / n_i, as of the sequence form.
    """
    log_ratios = log_ratio(logprobs, old_logprobs, mask)
    lengths = jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
    log_sequence_ratio = log_ratios.sum(axis=1, keepdims=True) / lengths
    sequence_ratio = jnp.exp(jnp.clip(log_sequence_ratio, -MAX_LOG_RATIO, MAX_LOG_RATIO))
    ratio = jax.lax.stop_gradient(sequence_ratio) * importance_ratio(logprobs, logprobs, mask)
    return clipped_surrogate(ratio, advantages, mask, low=low, high=high)
