"""KTO: single responses judged good or bad (arXiv 2402.01306)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def kl_estimate(log_ratios: jax.Array, mask: jax.Array) -> jax.Array:
    """max(0, mean log π/π_ref) over responses paired with prompts they do not belong to.

    The mean is over the whole optimiser batch, whatever its sharding; compute it before the batch
    is cut. A biased but cheap stand-in for KL(π, π_ref), and a constant of the loss.

    Args:
      log_ratios: [B] summed over the mismatched response.
      mask: [B] bool, rows that have one.

    Returns:
      A scalar without gradient, in nats.
    """
    log_ratios = jnp.where(mask, jax.lax.stop_gradient(at_least_float32(log_ratios)), 0)
    return jnp.maximum(jnp.sum(log_ratios) / jnp.maximum(jnp.sum(mask), 1), 0)


def kto(
    log_ratios: jax.Array,
    desirable: jax.Array,
    kl: jax.Array,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> jax.Array:
    """w (1 - σ(±β (log π/π_ref - z))), + and its weight where desirable, - elsewhere; [B].

    Args:
      log_ratios: [B] log π/π_ref of the whole response.
      desirable: [B] bool.
      kl: scalar z, from ``kl_estimate``.
    """
    away = beta * (at_least_float32(log_ratios) - jax.lax.stop_gradient(kl))
    # 1 - σ(x) = σ(-x), without the cancellation
    return jnp.where(
        desirable,
        desirable_weight * jax.nn.sigmoid(-away),
        undesirable_weight * jax.nn.sigmoid(away),
    )
