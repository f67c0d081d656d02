"""Estimators of KL(π ‖ π_ref) from tokens sampled by π (Schulman, 2020).

All [B, T], 0 off ``mask``, without gradient to ``ref_logprobs``; d = logprobs - ref_logprobs.
In the mean over samples all three estimate the same divergence; as losses they differ.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import log_ratio


def k1(logprobs: jax.Array, ref_logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """d: unbiased, high variance, of either sign.

    Gradient 1, which is 0 in expectation over π: for the reward, not for a loss.
    """
    return log_ratio(logprobs, ref_logprobs, mask)


def k2(logprobs: jax.Array, ref_logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """d²/2: biased, low variance.

    Gradient d, whose expectation over π is the gradient of KL(π ‖ π_ref): the one for a loss.
    """
    return jnp.square(log_ratio(logprobs, ref_logprobs, mask)) / 2


def k3(logprobs: jax.Array, ref_logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """exp(-d) - 1 + d: unbiased, low variance, never negative; GRPO's loss term.

    Gradient 1 - exp(-d), whose expectation over π is the gradient of KL(π_ref ‖ π).
    """
    d = log_ratio(logprobs, ref_logprobs, mask)
    return jnp.expm1(-d) + d
