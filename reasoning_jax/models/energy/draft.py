"""Thinking that begins with what a language model says, or keeps to the tokens it finds likely.

The layers of an energy model are those of a plain decoder: where they come from a language model
(``config.model`` a plain folder), its own predictions are a draft to refine. Both are options to
hold against a start from noise.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.thinking import Start


def draft_logits(
    model: EnergyModel, params: dict, tokens: jax.Array, segment_ids: jax.Array | None = None
) -> jax.Array:
    """Log-probabilities [B, T, V] of the decoder as a language model, constants of thinking."""
    logits = model.decoder.apply({"params": params["decoder"]}, tokens, None, segment_ids)
    return jax.lax.stop_gradient(jax.nn.log_softmax(logits.astype(jnp.float32)))


def from_draft(start: Start, draft_BxTxV: jax.Array) -> Start:
    """The start with the draft under its noise: without thoughts the result is the draft."""
    return start._replace(candidates=start.candidates + draft_BxTxV)


def within_support(start: Start, draft_BxTxV: jax.Array, k: int) -> Start:
    """The start with all but the k likeliest tokens of the draft at probability 0, ties kept.

    Descent leaves them there, for their gradient is 0. For inference: the loss of a target outside
    of the support is infinite.

    Raises:
      ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; a support holds at least 1 token")
    k = min(k, draft_BxTxV.shape[-1])
    least = jax.lax.top_k(draft_BxTxV, k)[0][..., -1:]
    inside = draft_BxTxV >= least
    return start._replace(candidates=jnp.where(inside, start.candidates, -jnp.inf))
