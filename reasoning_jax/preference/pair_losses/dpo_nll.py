"""DPO with the likelihood of the chosen response (arXiv 2404.19733, equation 1)."""

import jax

from reasoning_jax.preference.batch import PairLogprobs
from reasoning_jax.preference.pair_losses.dpo import dpo


def dpo_nll(pair: PairLogprobs, *, beta: float = 0.1, nll_coef: float = 1.0) -> jax.Array:
    """-log σ(β h) - α m_c, m_c the mean log-probability of a chosen token, α ``nll_coef``; [B]."""
    return dpo(pair, beta=beta) - nll_coef * pair.chosen_mean
