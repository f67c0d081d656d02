"""The energy of a candidate for the next token, after every token of a sequence.

Two streams pass the same layers. Tokens, the context, never see candidates: their keys and
values are made once and serve every step of thinking. Candidates see the tokens up to theirs.

With ``conditioning`` "time_token" an embedding of the step is a token of its own, at position 0
before all others, as in the reference implementation of arXiv:2507.02092. All tokens see it, so
their keys and values are others at every step: this is for comparison.
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
      keys, values: [L, B, T, K, D] of every layer, keys rotated; 0 in padding. None where they
        depend on the step: then ``tokens`` are there.
      positions: [B, T] rotary positions of the tokens.
      segment_ids: [B, T], 0 in padding; None where there is none.
      tokens: [B, T] ids, or None.
    """

    keys: jax.Array | None
    values: jax.Array | None
    positions: jax.Array
    segment_ids: jax.Array | None
    tokens: jax.Array | None = None


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
    """Runs tokens [B, T] through the layers once; no candidate is needed.

    With ``conditioning`` "time_token" a row holds one segment, and energies run the layers.
    """
    positions = positions_of(tokens, segment_ids)
    if segment_ids is not None:
        tokens = jnp.where(segment_ids > 0, tokens, 0)
    if model.conditioning == "time_token":
        return EnergyContext(None, None, positions, segment_ids, tokens)
    return _encode(model, params, _embed(model, params, tokens), positions, segment_ids)


def _embed(model: EnergyModel, params: dict, tokens: jax.Array) -> jax.Array:
    return model.decoder.apply({"params": params["decoder"]}, tokens, method="embed")


def _encode(
    model: EnergyModel,
    params: dict,
    x: jax.Array,
    positions: jax.Array,
    segment_ids: jax.Array | None,
) -> EnergyContext:
    """Context of embedded tokens [B, T, M]."""
    decoder = model.decoder

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
    landscape_B = jnp.minimum(steps_B, model.landscapes - 1)
    of_step = params["landscape_embedding"][landscape_B].astype(x.dtype)[:, None]
    if model.conditioning == "candidate":
        energies = _energies(model, params, context, x + of_step)
    else:
        # The candidate after the time token itself is a stand-in: nothing is predicted there.
        stand_in = jnp.zeros_like(x[:, :1])
        timed = _with_time_token(model, params, context, of_step)
        x = jnp.concatenate([stand_in, x], axis=1)
        energies = _energies(model, params, timed, x)[:, 1:]
    if context.segment_ids is None:
        return energies
    return jnp.where(context.segment_ids > 0, energies, 0)


def _with_time_token(
    model: EnergyModel, params: dict, context: EnergyContext, token_Bx1xM: jax.Array
) -> EnergyContext:
    """The context of T + 1 columns whose first is the embedding of a step."""
    ids = context.segment_ids
    x = _embed(model, params, context.tokens).astype(token_Bx1xM.dtype)
    x = jnp.concatenate([token_Bx1xM, x], axis=1)
    positions = jnp.pad(context.positions + 1, ((0, 0), (1, 0)))
    if ids is not None:
        # The row's one segment, of which its first token is, or padding through and through.
        ids = jnp.concatenate([ids[:, :1], ids], axis=1)
    return _encode(model, params, x, positions, ids)


def _energies(model: EnergyModel, params: dict, context: EnergyContext, x: jax.Array) -> jax.Array:
    """[B, T] of candidates [B, T, M] that hold what there is to know of the step."""
    decoder = model.decoder
    c = decoder.config

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
    return head_logits(params["head"], x)[..., 0]


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
