"""GMPO: the geometric mean of clipped token ratios (arXiv 2507.20673)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import MAX_LOG_RATIO, at_least_float32, log_ratio


def gmpo(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    *,
    log_low: float = 0.4,
    log_high: float = 0.4,
) -> jax.Array:
    """-A exp(mean_t u_t), on every token of the row; all [B, T], 0 off ``mask``.

    u is log π/π_old, held at ``log_high`` where A > 0 and at -``log_low`` elsewhere: 0.4 stands
    for ratios of 0.67 and 1.49. Under ``seq_mean_token_mean`` the loss is the paper's, a mean
    over rows.
    """
    advantages = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(advantages)), 0)
    log_ratios = log_ratio(logprobs, old_logprobs, mask)
    # Selections, not minima: those halve gradients at ties, which on policy are everywhere.
    if_good = jnp.where(log_ratios > log_high, log_high, log_ratios)
    if_bad = jnp.where(log_ratios < -log_low, -log_low, log_ratios)
    held = jnp.where(advantages > 0, if_good, if_bad)
    mean = held.sum(axis=1, keepdims=True) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
    return -advantages * jnp.exp(jnp.clip(mean, -MAX_LOG_RATIO, MAX_LOG_RATIO))
