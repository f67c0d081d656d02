"""IPO on mean log-probabilities of tokens, the form TRL trains (arXiv 2310.12036)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.batch import PairLogprobs


def ipo_token_mean(pair: PairLogprobs, *, tau: float = 0.1) -> jax.Array:
    """(h - 1/(2 τ))² with h the margin of the log-ratios per token; [B]."""
    chosen = pair.chosen_log_ratio / pair.chosen_length
    rejected = pair.rejected_log_ratio / pair.rejected_length
    return jnp.square(chosen - rejected - 1 / (2 * tau))
