"""Masked arithmetic on log-probabilities that padding cannot reach, in value or in gradient."""

import jax
import jax.numpy as jnp

MAX_LOG_RATIO = 20.0  # exp(20) = 5e8: far beyond any clip range, far below overflow


def at_least_float32(x: jax.Array) -> jax.Array:
    """``x`` as float32, or wider where it already is wider."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def log_ratio(logprobs: jax.Array, reference_logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """``logprobs - reference_logprobs`` where ``mask``, 0 elsewhere.

    All [B, T]; no gradient reaches ``reference_logprobs``. The selection comes before any
    ``exp`` of the result, so nan or inf in padding neither shows nor poisons the gradient.
    """
    reference_logprobs = jax.lax.stop_gradient(at_least_float32(reference_logprobs))
    return jnp.where(mask, at_least_float32(logprobs) - reference_logprobs, 0)


def importance_ratio(logprobs: jax.Array, old_logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """π(token)/π_old(token) [B, T], 1 outside ``mask``.

    The log-ratio is held within ±20, so that a token the policy has left cannot overflow;
    beyond that there is no gradient.
    """
    log_ratios = log_ratio(logprobs, old_logprobs, mask)
    return jnp.exp(jnp.clip(log_ratios, -MAX_LOG_RATIO, MAX_LOG_RATIO))
