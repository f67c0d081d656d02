"""Imitation of the chosen response alone: what preference is compared with."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def chosen_nll(pair: PairLogprobs) -> jax.Array:
    """-m_c, m_c the mean log-probability of a token of the chosen response; [B]."""
    return -pair.chosen_mean
