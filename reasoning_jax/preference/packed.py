"""Several pairs in one row, each side a segment of its own.

Shape letters: R rows, C tokens of a row, P pairs of a row at most.
"""

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.preference.batch import CHOSEN, REJECTED, PairLogprobs
from reasoning_jax.rl.numerics import at_least_float32


@struct.dataclass
class PackedPairs:
    """Rows of whole pairs; both sides of a pair are in the same row.

    Attributes:
      tokens: [R, C] int32.
      segment_ids: [R, C] int32; 2p + 1 is the chosen and 2p + 2 the rejected side of pair p of the
        row, 0 padding, which may hold anything.
      mask: [R, C] bool, True on the response tokens that count.
      row_mask: [R, P] bool, pairs that there are and take part.
      ref_logprobs: [R, P, 2] float32 summed log-probabilities of the responses under the
        reference policy, or None while they are not computed.
      weights: [R, P] float32 share of each pair in the loss; None until the whole batch is seen.
    """

    tokens: jax.Array
    segment_ids: jax.Array
    mask: jax.Array
    row_mask: jax.Array
    ref_logprobs: jax.Array | None = None
    weights: jax.Array | None = None

    @property
    def lengths(self) -> jax.Array:
        """[R] tokens of each row."""
        return (self.segment_ids > 0).sum(axis=1)


def segment_sums(values: jax.Array, batch: PackedPairs) -> jax.Array:
    """Sums [R, P, 2] over the response tokens of each side, of values [R, C]."""
    pairs = batch.row_mask.shape[1]
    values = jnp.where(batch.mask, at_least_float32(values), 0)
    segments = jnp.where(batch.mask, batch.segment_ids, 0)

    def of_row(values: jax.Array, segments: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(values, segments, 2 * pairs + 1)

    return jax.vmap(of_row)(values, segments)[:, 1:].reshape(-1, pairs, 2)


def packed_pair_logprobs(logprobs: jax.Array, batch: PackedPairs) -> PairLogprobs:
    """The numbers of each pair, all [R, P], from token log-probabilities [R, C].

    Pairs that take no part are all zeros of length 1, so that no loss of theirs is nan.

    Raises:
      ValueError: the batch has no reference log-probabilities.
    """
    if batch.ref_logprobs is None:
        raise ValueError("ref_logprobs is None; score the batch with the reference policy first")
    there = batch.row_mask[..., None]
    policy = jnp.where(there, segment_sums(logprobs, batch), 0)
    reference = jnp.where(there, at_least_float32(batch.ref_logprobs), 0)
    counts = segment_sums(jnp.ones_like(logprobs, policy.dtype), batch)
    lengths = jnp.maximum(jnp.where(there, counts, 1), 1)
    return PairLogprobs(
        chosen=policy[..., CHOSEN],
        rejected=policy[..., REJECTED],
        ref_chosen=reference[..., CHOSEN],
        ref_rejected=reference[..., REJECTED],
        chosen_length=lengths[..., CHOSEN],
        rejected_length=lengths[..., REJECTED],
    )
