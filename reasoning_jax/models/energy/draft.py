"""What the decoder of an energy model says as a language model: a draft to refine.

The layers of an energy model are those of a plain decoder. Where they come from a language model
(``config.model`` a plain folder), or learn to be one beside (`loss.loss_with_draft`), its
predictions are what `beginning.Draft` and `beginning.Likeliest` go by. Both are options to hold
against a start from noise.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.models.energy.model import EnergyModel


def draft_logits(
    model: EnergyModel, params: dict, tokens: jax.Array, segment_ids: jax.Array | None = None
) -> jax.Array:
    """Log-probabilities [B, T, V] of the decoder as a language model, constants of thinking."""
    logits = model.decoder.apply({"params": params["decoder"]}, tokens, None, segment_ids)
    return jax.lax.stop_gradient(as_draft(logits))


def as_draft(logits: jax.Array) -> jax.Array:
    """Log-probabilities [..., V] float32 of logits."""
    return jax.nn.log_softmax(logits.astype(jnp.float32))
