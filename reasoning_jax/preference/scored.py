"""K scored responses to a prompt as arrays.

Shape letters: B prompts, K responses, T tokens of a row.
"""

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.rl.aggregate import weighted_sum


@struct.dataclass
class ScoredBatch:
    """A batch of prompts with up to K scored responses each.

    Attributes:
      tokens: [B, K, T] int32, prompt then response then padding. Padding may hold anything.
      lengths: [B, K] int32, prompt and response together.
      mask: [B, K, T] bool, True on response tokens; all False where there is no response.
      row_mask: [B] bool, False on prompts that take no part.
      there: [B, K] bool, responses that there are.
      scores: [B, K] float32, larger is better.
      ref_logprobs: [B, K] float32 summed log-probabilities under the reference policy, or None
        while they are not computed.
      weights: [B] float32 share of each prompt in the loss; None until the whole batch is seen.
    """

    tokens: jax.Array
    lengths: jax.Array
    mask: jax.Array
    row_mask: jax.Array
    there: jax.Array
    scores: jax.Array
    ref_logprobs: jax.Array | None = None
    weights: jax.Array | None = None

    @property
    def counted(self) -> jax.Array:
        """[B, K] bool, responses that there are of prompts that take part."""
        return self.there & self.row_mask[:, None]


def scored_log_ratios(logprobs: jax.Array, batch: ScoredBatch) -> jax.Array:
    """log π/π_ref [B, K], 0 where nothing is counted.

    Args:
      logprobs: [B, K] summed under the policy.

    Raises:
      ValueError: the batch has no reference log-probabilities.
    """
    if batch.ref_logprobs is None:
        raise ValueError("ref_logprobs is None; score the batch with the reference policy first")
    return jnp.where(batch.counted, logprobs - jax.lax.stop_gradient(batch.ref_logprobs), 0)


def scored_scalars(
    ratios: jax.Array, batch: ScoredBatch, weights: jax.Array, beta: float
) -> dict[str, jax.Array]:
    """Means over prompts of the rewards β log π/π_ref of the best and the worst response.

    A prompt is ranked right when the reward of its best response is strictly above that of its
    worst.

    Args:
      ratios: [B, K] log π/π_ref.
      weights: [B] share of each prompt.
    """
    scores = jnp.where(batch.counted, batch.scores, 0)
    best = jnp.argmax(jnp.where(batch.counted, scores, -jnp.inf), axis=1)
    worst = jnp.argmin(jnp.where(batch.counted, scores, jnp.inf), axis=1)
    chosen = beta * jnp.take_along_axis(ratios, best[:, None], axis=1)[:, 0]
    rejected = beta * jnp.take_along_axis(ratios, worst[:, None], axis=1)[:, 0]
    per_prompt = {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": (chosen > rejected).astype(jnp.float32),
    }
    return {name: weighted_sum(values, weights) for name, values in per_prompt.items()}
