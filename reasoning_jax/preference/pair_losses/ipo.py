"""IPO on summed log-probabilities (arXiv 2310.12036, equation 17)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.batch import PairLogprobs


def ipo(pair: PairLogprobs, *, tau: float = 0.1) -> jax.Array:
    """(h - 1/(2 τ))², h the margin of the log-ratios; [B]. 1/(4 τ²) at the reference."""
    return jnp.square(pair.margin - 1 / (2 * tau))
