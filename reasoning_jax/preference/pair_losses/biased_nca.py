"""NCA without the pull on the chosen side; BCO (arXiv 2404.04656) without its reward shift."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def biased_nca(pair: PairLogprobs, *, beta: float = 0.1) -> jax.Array:
    """-log σ(R_c) - log σ(-R_r), R = β log π/π_ref; [B]. 2 ln 2 at the reference."""
    chosen, rejected = beta * pair.chosen_log_ratio, beta * pair.rejected_log_ratio
    return -jax.nn.log_sigmoid(chosen) - jax.nn.log_sigmoid(-rejected)
