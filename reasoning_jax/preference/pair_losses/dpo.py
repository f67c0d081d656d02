"""DPO (arXiv 2305.18290, equation 7); Step-DPO is the same on single steps."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def dpo(pair: PairLogprobs, *, beta: float = 0.1) -> jax.Array:
    """-log σ(β h), h the margin of the log-ratios; [B]. ln 2 at the reference."""
    return -jax.nn.log_sigmoid(beta * pair.margin)
