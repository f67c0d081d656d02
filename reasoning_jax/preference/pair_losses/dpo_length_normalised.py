"""DPO on log-ratios per token, as Tülu 3 trains it (arXiv 2411.15124)."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def dpo_length_normalised(pair: PairLogprobs, *, beta: float = 5.0) -> jax.Array:
    """-log σ(β (chosen - rejected log-ratio per token)); [B]. ln 2 at the reference."""
    chosen = pair.chosen_log_ratio / pair.chosen_length
    rejected = pair.rejected_log_ratio / pair.rejected_length
    return -jax.nn.log_sigmoid(beta * (chosen - rejected))
