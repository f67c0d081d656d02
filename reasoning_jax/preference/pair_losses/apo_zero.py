"""APO-zero: chosen above the reference, rejected below it (arXiv 2408.06266)."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def apo_zero(pair: PairLogprobs, *, beta: float = 0.1) -> jax.Array:
    """1 - σ(R_c) + σ(R_r), R = β log π/π_ref; [B]. 1 at the reference."""
    chosen, rejected = beta * pair.chosen_log_ratio, beta * pair.rejected_log_ratio
    return jax.nn.sigmoid(-chosen) + jax.nn.sigmoid(rejected)
