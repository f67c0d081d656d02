"""NCA on pairs (arXiv 2402.05369); Light-R1 trains it with β = 0.3."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def nca_pair(pair: PairLogprobs, *, beta: float = 0.1) -> jax.Array:
    """-log σ(R_c) - ½ log σ(-R_c) - ½ log σ(-R_r), R = β log π/π_ref; [B].

    2 ln 2 at the reference. The chosen response is pulled to R_c = ln 2 and no further, where DPO
    sees the margin alone.
    """
    chosen, rejected = beta * pair.chosen_log_ratio, beta * pair.rejected_log_ratio
    against = jax.nn.log_sigmoid(-chosen) + jax.nn.log_sigmoid(-rejected)
    return -jax.nn.log_sigmoid(chosen) - 0.5 * against
