"""Judged single responses as arrays, each beside a response to another prompt.

Shape letters: B responses, 2 sides (0 the response, 1 the mismatched one), T tokens of a row.
"""

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.rl.aggregate import weighted_sum

OWN, MISMATCHED = 0, 1


@struct.dataclass
class SingleBatch:
    """A batch of responses judged good or bad; both sides of a row have its prompt.

    Attributes:
      tokens: [B, 2, T] int32, prompt then response then padding. Padding may hold anything.
      lengths: [B, 2] int32, prompt and response together.
      mask: [B, 2, T] bool, True on response tokens; all False where there is no mismatched one.
      row_mask: [B] bool, False on rows that take no part.
      desirable: [B] bool, the response was judged good.
      ref_logprobs: [B, 2] float32 summed log-probabilities under the reference policy, or None
        while they are not computed.
      kl: [B] float32, the estimate of the whole batch on every row; None until it is made.
      weights: [B] float32 share of each row in the loss; None until the whole batch is seen.
    """

    tokens: jax.Array
    lengths: jax.Array
    mask: jax.Array
    row_mask: jax.Array
    desirable: jax.Array
    ref_logprobs: jax.Array | None = None
    kl: jax.Array | None = None
    weights: jax.Array | None = None


def log_ratios(logprobs: jax.Array, batch: SingleBatch, side: int) -> jax.Array:
    """log π/π_ref [B] of one side, 0 on rows that take no part.

    Args:
      logprobs: [B] summed under the policy.

    Raises:
      ValueError: the batch has no reference log-probabilities.
    """
    if batch.ref_logprobs is None:
        raise ValueError("ref_logprobs is None; score the batch with the reference policy first")
    reference = jax.lax.stop_gradient(batch.ref_logprobs[:, side])
    return jnp.where(batch.row_mask, logprobs - reference, 0)


def single_scalars(
    ratios: jax.Array, desirable: jax.Array, weights: jax.Array, beta: float
) -> dict[str, jax.Array]:
    """Means under the names that users of TRL know: chosen are the good responses.

    A kind that the batch has none of has mean 0.

    Args:
      ratios: [B] log π/π_ref.
      weights: [B] share of each row.
    """

    def mean(kind: jax.Array) -> jax.Array:
        share = jnp.where(kind, weights, 0)
        return beta * weighted_sum(ratios, share) / jnp.maximum(jnp.sum(share), 1e-9)

    chosen, rejected = mean(desirable), mean(~desirable)
    return {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
    }
