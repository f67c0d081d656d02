"""Pair losses: PairLogprobs -> one loss per pair, [B]."""

from reasoning_jax.preference.pair_losses.apo_zero import apo_zero
from reasoning_jax.preference.pair_losses.biased_nca import biased_nca
from reasoning_jax.preference.pair_losses.cdpo import cdpo
from reasoning_jax.preference.pair_losses.chosen_nll import chosen_nll
from reasoning_jax.preference.pair_losses.dpo import dpo
from reasoning_jax.preference.pair_losses.dpo_length_normalised import dpo_length_normalised
from reasoning_jax.preference.pair_losses.dpo_nll import dpo_nll
from reasoning_jax.preference.pair_losses.dpop import dpop
from reasoning_jax.preference.pair_losses.hinge import hinge
from reasoning_jax.preference.pair_losses.ipo import ipo
from reasoning_jax.preference.pair_losses.ipo_token_mean import ipo_token_mean
from reasoning_jax.preference.pair_losses.nca_pair import nca_pair
from reasoning_jax.preference.pair_losses.orpo import orpo
from reasoning_jax.preference.pair_losses.robust_dpo import robust_dpo
from reasoning_jax.preference.pair_losses.simpo import simpo

__all__ = [
    "apo_zero",
    "biased_nca",
    "cdpo",
    "chosen_nll",
    "dpo",
    "dpo_length_normalised",
    "dpo_nll",
    "dpop",
    "hinge",
    "ipo",
    "ipo_token_mean",
    "nca_pair",
    "orpo",
    "robust_dpo",
    "simpo",
]
