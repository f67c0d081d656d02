"""Preference optimisation as pure functions of a ``PairBatch``.

One update is: token log-probabilities of both sides of every pair, ``pair_logprobs`` that sums
them over the responses, then one of ``pair_losses``, each a [B] array; ``weighted_sum`` with the
weights of ``pair_mean`` makes the scalar. ``kto`` reads single responses, ``info_nca`` and ``nca``
K scored responses to a prompt.
"""

from reasoning_jax.preference import pair_losses
from reasoning_jax.preference.batch import (
    PairBatch,
    PairLogprobs,
    pair_logprobs,
    pair_mean,
    response_logprobs,
)
from reasoning_jax.preference.diagnostics import pair_scalars
from reasoning_jax.preference.info_nca import info_nca
from reasoning_jax.preference.kto import kl_estimate, kto
from reasoning_jax.preference.nca import nca
from reasoning_jax.preference.packed import PackedPairs, packed_pair_logprobs, segment_sums
from reasoning_jax.preference.scored import ScoredBatch, scored_log_ratios, scored_scalars
from reasoning_jax.preference.singles import SingleBatch, log_ratios, single_scalars

__all__ = [
    "PackedPairs",
    "PairBatch",
    "PairLogprobs",
    "ScoredBatch",
    "SingleBatch",
    "info_nca",
    "kl_estimate",
    "kto",
    "log_ratios",
    "nca",
    "packed_pair_logprobs",
    "pair_logprobs",
    "pair_losses",
    "pair_mean",
    "pair_scalars",
    "response_logprobs",
    "scored_log_ratios",
    "scored_scalars",
    "segment_sums",
    "single_scalars",
]
