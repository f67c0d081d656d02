"""Pairs of responses to one prompt as arrays, and the six numbers per pair that losses read.

Shape letters: B pairs, 2 sides (0 chosen, 1 rejected), T tokens of a row (prompt, then response).
"""

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.rl.numerics import at_least_float32

CHOSEN, REJECTED = 0, 1


@struct.dataclass
class PairBatch:
    """A batch of preference pairs; both sides of a pair begin with the same prompt.

    The side is the second axis, so that pairs, not rows, are cut into micro-batches and spread
    over devices. Padding may hold anything, nan included.

    Attributes:
      tokens: [B, 2, T] int32, prompt then response then padding.
      lengths: [B, 2] int32, prompt and response together.
      mask: [B, 2, T] bool, True on the response tokens that count; never on position 0, which
        nothing predicts.
      row_mask: [B] bool, False on pairs that take no part.
      ref_logprobs: [B, 2] float32 summed log-probabilities of the responses under the reference
        policy, or None while they are not computed.
      weights: [B] float32 share of each pair in the loss, or None until the whole batch is seen.
    """

    tokens: jax.Array
    lengths: jax.Array
    mask: jax.Array
    row_mask: jax.Array
    ref_logprobs: jax.Array | None = None
    weights: jax.Array | None = None


@struct.dataclass
class PairLogprobs:
    """What every pair loss is a function of; all [B], float32 or wider.

    Attributes:
      chosen, rejected: log-probabilities of the responses under the policy, summed over tokens.
      ref_chosen, ref_rejected: the same under the reference policy; no gradient reaches them.
      chosen_length, rejected_length: number of tokens summed, at least 1.
    """

    chosen: jax.Array
    rejected: jax.Array
    ref_chosen: jax.Array
    ref_rejected: jax.Array
    chosen_length: jax.Array
    rejected_length: jax.Array

    @property
    def chosen_log_ratio(self) -> jax.Array:
        """log π/π_ref of the chosen response, [B]."""
        return self.chosen - jax.lax.stop_gradient(self.ref_chosen)

    @property
    def rejected_log_ratio(self) -> jax.Array:
        """log π/π_ref of the rejected response, [B]."""
        return self.rejected - jax.lax.stop_gradient(self.ref_rejected)

    @property
    def margin(self) -> jax.Array:
        """Log-ratio of the chosen response above that of the rejected one, [B]."""
        return self.chosen_log_ratio - self.rejected_log_ratio

    @property
    def chosen_mean(self) -> jax.Array:
        """Mean log-probability of the chosen response's tokens, [B]."""
        return self.chosen / self.chosen_length

    @property
    def rejected_mean(self) -> jax.Array:
        """Mean log-probability of the rejected response's tokens, [B]."""
        return self.rejected / self.rejected_length


def response_logprobs(logprobs: jax.Array, mask: jax.Array) -> jax.Array:
    """Σ_t log p(token t) over the response. [..., T] and [..., T] bool -> [...] float32."""
    return jnp.sum(jnp.where(mask, at_least_float32(logprobs), 0), axis=-1)


def pair_logprobs(logprobs: jax.Array, batch: PairBatch) -> PairLogprobs:
    """The numbers of each pair, from token log-probabilities [B, 2, T] under the policy.

    Pairs that take no part are all zeros of length 1, so that no loss of theirs is nan.

    Raises:
      ValueError: the batch has no reference log-probabilities.
    """
    if batch.ref_logprobs is None:
        raise ValueError("ref_logprobs is None; score the batch with the reference policy first")
    mask = batch.mask & batch.row_mask[:, None, None]
    policy = response_logprobs(logprobs, mask)
    reference = jnp.where(batch.row_mask[:, None], at_least_float32(batch.ref_logprobs), 0)
    lengths = jnp.maximum(jnp.sum(mask, axis=-1), 1).astype(policy.dtype)
    return PairLogprobs(
        chosen=policy[:, CHOSEN],
        rejected=policy[:, REJECTED],
        ref_chosen=reference[:, CHOSEN],
        ref_rejected=reference[:, REJECTED],
        chosen_length=lengths[:, CHOSEN],
        rejected_length=lengths[:, REJECTED],
    )


def pair_mean(row_mask: jax.Array) -> jax.Array:
    """1/N on each of the N pairs that take part. [B] or [R, P] bool -> float32 of that shape."""
    return row_mask / jnp.maximum(jnp.sum(row_mask), 1).astype(jnp.float32)
