"""KL-Cov: a KL penalty on the tokens of highest covariance (arXiv 2505.22617)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32, importance_ratio, log_ratio


def kl_cov(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    selected: jax.Array,
    *,
    coef: float = 1.0,
) -> jax.Array:
    """-A ρ, plus coef |log ρ| on the ``selected`` tokens; all [B, T], 0 off ``mask``.

    Unclipped. ``selected`` comes from ``highest_covariances`` of the whole optimiser batch. The
    slope of |log ρ| at 0 is taken as 0, so that the gradient on policy is -A.
    """
    advantages = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(advantages)), 0)
    losses = -advantages * importance_ratio(logprobs, old_logprobs, mask)
    log_ratios = log_ratio(logprobs, old_logprobs, mask)
    sign = jnp.sign(jax.lax.stop_gradient(log_ratios))  # jnp.abs has slope 1 at 0
    return losses + coef * jnp.where(selected, sign * log_ratios, 0)
