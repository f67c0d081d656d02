"""The energy of a candidate for the next token, after every token of a sequence.

Two streams pass the same layers. Tokens, the context, never see candidates: their keys and
values are made once and serve every step of thinking. Candidates see the tokens up to theirs.
"""

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.models.energy.attention import candidate_attention
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.heads import head_logits
from reasoning_jax.models.layers import Attend
from reasoning_jax.models.transformer import (
    Block,
    attend_within,
    positions_of,
    rope_tables,
    select,
)
from reasoning_jax.parallel.mesh import constrain, gather


@struct.dataclass
class EnergyContext:
    """What candidates see of a batch of tokens [B, T].

    Attributes:
      keys, values: [L, B, T, K, D] of every layer, keys rotated; 0 in padding.
      positions: [B, T] rotary positions of the tokens.
      segment_ids: [B, T], 0 in padding; None where there is none.
    """

    keys: jax.Array
    values: jax.Array
    positions: jax.Array
    segment_ids: jax.Array | None


def energy(
    model: EnergyModel,
    params: dict,
    tokens: jax.Array,
    candidates: jax.Array,
    segment_ids: jax.Array | None = None,
) -> jax.Array:
    """Energies [B, T] float32 of candidates [B, T, V]: logits of the token after each token.

    Energy t depends on tokens <= t and on candidate t alone: the gradient of the sum with
    respect to the candidates is that of each. Steps are those of the first landscape.

    Args:
      segment_ids: [B, T], tokens see only their own segment; 0 is padding, of energy 0.
    """
    first = jnp.zeros(tokens.shape[0], jnp.int32)
    return candidate_energy(
        model, params, encode(model, params, tokens, segment_ids), candidates, first
    )


def encode(
    model: EnergyModel, params: dict, tokens: jax.Array, segment_ids: jax.Array | None = None
) -> EnergyContext:
    """Runs tokens [B, T] through the layers once; no candidate is needed."""
    decoder = model.decoder
    positions = positions_of(tokens, segment_ids)
    if segment_ids is not None:
        tokens = jnp.where(segment_ids > 0, tokens, 0)
    x = decoder.apply({"params": params["decoder"]}, tokens, method="embed")

    def attend(slides: bool | jax.Array, _) -> Attend:
        return attend_within(decoder.config, slides, segment_ids, decoder.attention, decoder.mesh)

    _, (keys, values) = _layers(model, params, x, positions, None, attend)
    if segment_ids is not None:
        real = (segment_ids > 0)[:, :, None, None]
        keys, values = jnp.where(real, keys, 0), jnp.where(real, values, 0)
    return EnergyContext(keys, values, positions, segment_ids)


def candidate_energy(
    model: EnergyModel,
    params: dict,
    context: EnergyContext,
    candidates: jax.Array,
    steps_B: jax.Array,
) -> jax.Array:
    """``energy`` [B, T] of candidates [B, T, V] over an encoded context.

    Args:
      steps_B: index of the step of thinking that each row is at; chooses its landscape.
    """
    if context.segment_ids is not None:
        candidates = jnp.where((context.segment_ids > 0)[:, :, None], candidates, 0)
    x = embed_candidates(model, params, candidates)
    return embedded_energy(model, params, context, x, steps_B)


def embedded_energy(
    model: EnergyModel, params: dict, context: EnergyContext, x: jax.Array, steps_B: jax.Array
) -> jax.Array:
    """``candidate_energy`` [B, T] of candidates that ``embed_candidates`` made, [B, T, M].

    Nothing here is as large as the vocabulary.
    """
    decoder = model.decoder
    c = decoder.config
    landscape_B = jnp.minimum(steps_B, model.landscapes - 1)
    x = x + params["landscape_embedding"][landscape_B].astype(x.dtype)[:, None]

    def attend(slides: bool | jax.Array, context_kv) -> Attend:
        window = c.sliding_window
        if window is not None:
            everything = x.shape[1] + 1
            window = jnp.where(slides, window, everything) if any(c.slides) else None

        def over_context(q, k, v):
            out = candidate_attention(
                q,
                (k, v),
                context_kv,
                context.segment_ids,
                scale=c.attention_scale,
                softcap=c.attention_softcap,
                window=window,
                implementation=model.attention,
            )
            return out, None

        return over_context

    # A candidate stands where the next token will.
    x, _ = _layers(model, params, x, context.positions + 1, (context.keys, context.values), attend)
    x = decoder.apply({"params": params["decoder"]}, x, method="normalize")
    energies = head_logits(params["head"], x)[..., 0]
    if context.segment_ids is None:
        return energies
    return jnp.where(context.segment_ids > 0, energies, 0)


def embed_candidates(model: EnergyModel, params: dict, candidates: jax.Array) -> jax.Array:
    """softmax(candidates) @ candidate_embedding: [B, T, V] -> [B, T, M]."""
    decoder = model.decoder
    probs = jax.nn.softmax(candidates.astype(jnp.float32), axis=-1).astype(decoder.dtype)
    probs = constrain(probs, decoder.mesh, "batch", None, "vocab")
    table = params["candidate_embedding"].astype(decoder.dtype)
    x = probs @ gather(table, decoder.mesh, "vocab", "embed")
    x = x * jnp.asarray(decoder.config.embed_scale, x.dtype)
    return constrain(x, decoder.mesh, "batch", None, None)


def _layers(model: EnergyModel, params: dict, x, positions, per_layer, attend):
    """Scans the decoder's blocks over x [B, T, M]; ``attend(slides, per_layer's part)``."""
    decoder = model.decoder
    c = decoder.config
    tables = rope_tables(c, positions)

    def layer(x, xs):
        block_params, slides, part = xs
        if len(set(c.slides)) == 1:
            slides = c.slides[0]  # static, so that the other kind of layer is not compiled
        block = Block(c, decoder.mesh)
        x, kept = block.apply(
            {"params": block_params}, x, select(slides, tables), attend(slides, part)
        )
        return constrain(x, decoder.mesh, "batch", None, None), kept

    if decoder.remat:
        layer = jax.checkpoint(layer, prevent_cse=False)
    stacked = params["decoder"]["layers"]["block"]
    return jax.lax.scan(
        layer, x, (stacked, jnp.asarray(c.slides), per_layer), unroll=decoder.unroll
    )
