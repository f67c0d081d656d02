"""DPO-Positive: a penalty where the chosen response loses likelihood (arXiv 2402.13228)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.batch import PairLogprobs


def dpop(pair: PairLogprobs, *, beta: float = 0.1, penalty: float = 5.0) -> jax.Array:
    """-log σ(β (h - λ max(0, -log π/π_ref of the chosen))), λ = ``penalty``; [B]."""
    lost = jnp.where(pair.chosen_log_ratio < 0, -pair.chosen_log_ratio, 0)
    return -jax.nn.log_sigmoid(beta * (pair.margin - penalty * lost))
