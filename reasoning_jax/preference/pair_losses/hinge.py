"""Hinge loss on the margin, as of SLiC (arXiv 2305.10425) in RSO's form (arXiv 2309.06657)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.batch import PairLogprobs


def hinge(pair: PairLogprobs, *, beta: float = 0.1) -> jax.Array:
    """max(0, 1 - β h), h the margin of the log-ratios; [B]."""
    short = 1 - beta * pair.margin
    return jnp.where(short > 0, short, 0)
