"""Thinking about the next token of every row alone, over a cache of the tokens before it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from reasoning_jax.models.attention import masked_softmax
from reasoning_jax.models.cache import LayerCache
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import embed_candidates
from reasoning_jax.models.energy.thinking import (
    Thinking,
    draw_start_at,
    start_directions,
    step_noise,
    step_sizes,
)
from reasoning_jax.models.heads import head_logits
from reasoning_jax.models.layers import Attend
from reasoning_jax.models.transformer import Block, rope_tables, select


class CachedContext(NamedTuple):
    """What candidates of the next token see; S columns, the same one is written for all rows.

    Attributes:
      layers: parameters of the decoder's layers, as ``unstack_layers`` gives them.
      caches: one per layer.
      visible: [B, S] columns that hold tokens of the row.
      column: scalar, the last of them.
      positions: [B] rotary position of the token to come, its index in the row.
    """

    layers: list[dict]
    caches: list[LayerCache]
    visible: jax.Array
    column: jax.Array
    positions: jax.Array


class NextThoughts(NamedTuple):
    """Of M candidates that share one cache.

    Attributes:
      candidates: [B, M, V] logits.
      energies: [B, M] of them.
    """

    candidates: jax.Array
    energies: jax.Array


def cached_energy(
    model: EnergyModel,
    params: dict,
    context: CachedContext,
    candidates_BxMxV: jax.Array,
    step: jax.Array,
) -> jax.Array:
    """Energies [B, M] of candidates for the next token; they do not see each other.

    Equals ``candidate_energy`` at the last token of the row. A candidate costs as much as one
    token, whatever stands in the cache but for attention to it.

    Args:
      step: of thinking, which chooses the landscape.
    """
    decoder = model.decoder
    c = decoder.config
    x = embed_candidates(model, params, candidates_BxMxV)
    landscape = jnp.minimum(step, model.landscapes - 1)
    x = x + params["landscape_embedding"][landscape].astype(x.dtype)
    tables = rope_tables(c, jnp.broadcast_to(context.positions[:, None], x.shape[:2]))
    in_window = context.visible
    if any(c.slides):
        # The candidate itself is one of the columns that its window holds.
        columns = jnp.arange(context.visible.shape[1])
        in_window = in_window & (columns > context.column + 1 - c.sliding_window)

    for layer, cache, slides in zip(context.layers, context.caches, c.slides):
        visible = in_window if slides else context.visible
        attend = _attend(c.attention_scale, c.attention_softcap, cache, visible)
        x, _ = Block(c, decoder.mesh).apply({"params": layer}, x, select(slides, tables), attend)
    x = decoder.apply({"params": params["decoder"]}, x, method="normalize")
    return head_logits(params["head"], x)[..., 0]


def think_next(
    model: EnergyModel,
    params: dict,
    context: CachedContext,
    keys_B: jax.Array,
    thinking: Thinking,
    n_candidates: int,
    draft_BxV: jax.Array | None = None,
) -> NextThoughts:
    """Thinks about the next token of each row from ``n_candidates`` starts.

    Start m of a row is what ``draw_start`` draws for its last token, with the key of the row folded
    with m: thinking over all of the row anew gives the same.

    Args:
      draft_BxV: log-probabilities of the decoder as a language model, where thinking asks for them.
    """
    b, m = len(keys_B), n_candidates
    keys = jax.vmap(lambda key: jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(m)))(
        keys_B
    ).reshape(-1)
    columns = jnp.repeat(context.positions - 1, m)[:, None]
    start = draw_start_at(model, thinking, keys, columns)

    def total(candidates: jax.Array, step: jax.Array) -> jax.Array:
        return jnp.sum(cached_energy(model, params, context, candidates, step))

    def refine(candidates: jax.Array, step: jax.Array):
        steps = jnp.full(b * m, step)
        noise = step_noise(model, steps, start.keys, columns, thinking.langevin)
        if thinking.langevin:
            candidates = candidates + noise.reshape(candidates.shape)
        slope = jax.grad(total)(candidates, step)
        return candidates - step_sizes(params, scales) * slope, None

    draft = None if draft_BxV is None else draft_BxV[:, None]
    first = start.candidates.reshape(b, m, -1)
    first = thinking.support(thinking.start(first, draft), draft)
    scales = start.step_scales.reshape(b, m)
    if thinking.size_rule.measures:
        scales = thinking.size_rule(
            params["step_size"],
            scales,
            lambda candidates: jax.grad(total)(candidates, jnp.int32(0)),
            first,
            start_directions(model, start.keys, columns).reshape(first.shape),
        )
    candidates, _ = jax.lax.scan(refine, first, jnp.arange(thinking.steps))
    last = jnp.int32(thinking.steps - 1)
    return NextThoughts(candidates, cached_energy(model, params, context, candidates, last))


def least_energy(thoughts: NextThoughts) -> tuple[jax.Array, jax.Array]:
    """Logits [B, V] and energy [B] of each row's candidate of least energy: self-verification."""
    best = jnp.argmin(thoughts.energies, axis=1)[:, None]
    energy = jnp.take_along_axis(thoughts.energies, best, axis=1)[:, 0]
    return jnp.take_along_axis(thoughts.candidates, best[:, :, None], axis=1)[:, 0], energy


def _attend(
    scale: float, softcap: float | None, cache: LayerCache, visible_BxS: jax.Array
) -> Attend:
    """Attention of M candidates over the cache, and of each to itself, in one softmax."""

    def attend(q_BxMxHxD: jax.Array, k_BxMxKxD: jax.Array, v_BxMxKxD: jax.Array):
        b, m, h, d = q_BxMxHxD.shape
        n_kv = k_BxMxKxD.shape[2]
        q = q_BxMxHxD.reshape(b, m, n_kv, h // n_kv, d)
        float32 = {"preferred_element_type": jnp.float32}
        scores = jnp.einsum("bmkgd,bkds->bkgms", q, cache.k_BxKxDxS, **float32)
        own = jnp.einsum("bmkgd,bmkd->bkgm", q, k_BxMxKxD, **float32)[..., None]
        mask = jnp.pad(visible_BxS, ((0, 0), (0, 1)), constant_values=True)
        weights = masked_softmax(
            jnp.concatenate([scores, own], axis=-1), mask[:, None, None, None], scale, softcap
        ).astype(v_BxMxKxD.dtype)
        out = jnp.einsum("bkgms,bksd->bmkgd", weights[..., :-1], cache.v_BxKxSxD)
        out = out + jnp.einsum("bkgm,bmkd->bmkgd", weights[..., -1], v_BxMxKxD)
        return out.reshape(b, m, h, d), None

    return attend
