"""The jitted programs of decoding: prompts into caches, and chunks of steps."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import Mesh

from reasoning_jax.models.cache import LayerCache, ages
from reasoning_jax.models.transformer import (
    Transformer,
    block_step,
    decode_step,
    feed,
    prompt_caches,
)
from reasoning_jax.sampling import pages as paging
from reasoning_jax.sampling import state as slots
from reasoning_jax.sampling.choose import Rule, choose
from reasoning_jax.sampling.newcomers import unpack
from reasoning_jax.sampling.pages import Seating
from reasoning_jax.sampling.state import DecodeState, Rows, SavedCaches
from reasoning_jax.sampling.weights import Weights


@struct.dataclass
class Chunk:
    """What some steps added to the rows.

    Attributes:
      tokens: [B, C] generated ids.
      logprobs: [B, C] of those ids, full softmax at the sampling temperature.
      counts: [B] how many there are.
      finished: [B] as in Rows.
    """

    tokens: jax.Array
    logprobs: jax.Array
    counts: jax.Array
    finished: jax.Array


@functools.partial(jax.jit, static_argnames="model")
def prefill(
    model: Transformer, weights: Weights, tokens_PxT: jax.Array, lengths_P: jax.Array
) -> SavedCaches:
    """Caches of P prompts, left-padded to T columns, in the layout of saved rows.

    Args:
      lengths_P: tokens of each prompt; 0 for a row that is only padding.
    """
    length = tokens_PxT.shape[1]
    is_prompt = jnp.arange(length)[::-1] < lengths_P[:, None]
    caches, _ = prompt_caches(
        model, weights.shared, weights.layers, tokens_PxT, is_prompt.astype(jnp.int32), length
    )
    return slots.pin([cache.keep(is_prompt) for cache in caches], model.mesh)


@functools.partial(jax.jit, static_argnames="model")
def resume(
    model: Transformer,
    weights: Weights,
    saved: SavedCaches,
    sources_P: jax.Array,
    lengths_P: jax.Array,
    tokens_PxT: jax.Array,
    counts_P: jax.Array,
) -> SavedCaches:
    """Saved rows with T more columns, after more tokens were read.

    Args:
      sources_P: row of ``saved`` that each goes on from; several may share one.
      lengths_P: tokens of that row.
      tokens_PxT: new tokens, left-padded.
      counts_P: how many of them are.
    """
    take = slots.on_shards(
        lambda saved, sources: [cache.take(sources) for cache in saved], model.mesh
    )
    before = take(saved, sources_P)
    is_new = jnp.arange(tokens_PxT.shape[1])[::-1] < counts_P[:, None]
    new = block_step(model, weights.shared, weights.layers, before, lengths_P, tokens_PxT, is_new)
    new = [cache.keep(is_new) for cache in new]
    return slots.pin(slots.append(before, new, counts_P), model.mesh)


@functools.partial(jax.jit, static_argnames=("mesh", "columns"))
def fill(
    mesh: Mesh | None, saved: SavedCaches, integers: jax.Array, floats: jax.Array, *, columns: int
) -> DecodeState:
    """``state.fill`` on every device by itself.

    Args:
      integers, floats: from ``newcomers.pack``, in the order of the slots.
    """
    rows, _, sources = unpack(integers, floats)
    function = functools.partial(slots.fill, columns=columns)
    return slots.on_shards(function, mesh)(saved, rows, sources)


@functools.partial(jax.jit, static_argnames="mesh", donate_argnames="state")
def place(
    mesh: Mesh | None,
    state: DecodeState,
    saved: SavedCaches,
    integers: jax.Array,
    floats: jax.Array,
) -> DecodeState:
    """``state.place`` on every device by itself, with slots and sources counted on it.

    Args:
      integers, floats: from ``newcomers.pack``.
    """
    return slots.on_shards(slots.place, mesh)(state, saved, *unpack(integers, floats))


@functools.partial(jax.jit, static_argnames=("mesh", "columns"))
def rearrange(
    mesh: Mesh | None, state: DecodeState, slots_B: jax.Array, *, columns: int
) -> DecodeState:
    """``state.rearrange`` on every device by itself."""
    function = functools.partial(slots.rearrange, columns=columns)
    return slots.on_shards(function, mesh)(state, slots_B)


@functools.partial(jax.jit, static_argnames=("mesh", "columns"))
def lift(
    mesh: Mesh | None,
    state: DecodeState,
    slots_G: jax.Array,
    surplus_G: jax.Array,
    *,
    columns: int,
) -> SavedCaches:
    """``state.lift`` on every device by itself."""
    function = functools.partial(slots.lift, columns=columns)
    none = jnp.zeros_like(state.rows.lengths)
    return slots.on_shards(function, mesh)(state, none, slots_G, surplus_G)


@functools.partial(jax.jit, static_argnames=("mesh", "columns"))
def lift_with_pages(
    mesh: Mesh | None,
    state: DecodeState,
    pages: SavedCaches,
    seating: Seating,
    slots_G: jax.Array,
    surplus_G: jax.Array,
    *,
    columns: int,
) -> SavedCaches:
    """``lift`` of rows that may have pages, which come before their own columns."""
    function = functools.partial(paging.lift, columns=columns)
    return slots.on_shards(function, mesh)(state, pages, seating, slots_G, surplus_G)


@functools.partial(jax.jit, static_argnames=("mesh", "count", "columns"))
def blank_pages(mesh: Mesh | None, saved: SavedCaches, *, count: int, columns: int) -> SavedCaches:
    """Pages like rows of ``saved``, that many with so many columns, all zeros."""

    def blank(cache: LayerCache) -> LayerCache:
        k, v = cache.k_BxKxDxS, cache.v_BxKxSxD
        return LayerCache(
            jnp.zeros((count, *k.shape[1:3], columns), k.dtype),
            jnp.zeros((count, v.shape[1], columns, v.shape[3]), v.dtype),
        )

    return slots.pin([blank(cache) for cache in saved], mesh)


@functools.partial(jax.jit, static_argnames="mesh", donate_argnames="pages")
def load_pages(
    mesh: Mesh | None,
    pages: SavedCaches,
    saved: SavedCaches,
    targets_L: jax.Array,
    sources_L: jax.Array,
) -> SavedCaches:
    """``pages.load`` on every device by itself."""
    return slots.on_shards(paging.load, mesh)(pages, saved, targets_L, sources_L)


@functools.partial(jax.jit, static_argnames=("model", "rule", "chunk"), donate_argnames="state")
def advance(
    model: Transformer,
    weights: Weights,
    state: DecodeState,
    stopped_B: jax.Array,
    bounds: jax.Array,
    pages: tuple[SavedCaches, Seating] | None = None,
    *,
    rule: Rule,
    chunk: int,
) -> tuple[DecodeState, Chunk]:
    """Generates for some steps.

    Args:
      stopped_B: rows that finish before the first.
      bounds: most steps, at most ``chunk``; and the number of live rows at which it ends early.
      pages: prompts that rows read together, and who does; None where no row has one.
      chunk: C, columns of what comes back.
    """
    size, (most, patience) = stopped_B.shape[0], bounds
    state = state.replace(rows=state.rows.replace(finished=state.rows.finished | stopped_B))
    added = Chunk(
        tokens=jnp.zeros((size, chunk), jnp.int32),
        logprobs=jnp.zeros((size, chunk), jnp.float32),
        counts=jnp.zeros(size, jnp.int32),
        finished=state.rows.finished,
    )

    feed_rows = _alone if pages is None else functools.partial(_with_pages, *pages)

    def goes_on(carry):
        step, _, added = carry
        return (step < most) & (jnp.sum(~added.finished) > patience)

    def body(carry):
        step, s, added = carry
        s, token, logprob = _step(model, weights, s, rule, feed_rows)
        live = ~added.finished
        added = Chunk(
            tokens=added.tokens.at[:, step].set(jnp.where(live, token, 0)),
            logprobs=added.logprobs.at[:, step].set(jnp.where(live, logprob, 0)),
            counts=added.counts + live,
            finished=s.rows.finished,
        )
        return step + 1, s, added

    _, state, added = jax.lax.while_loop(goes_on, body, (jnp.asarray(0), state, added))
    return slots.pin((state, added), model.mesh)


Feed = Callable[[Transformer, Weights, DecodeState], tuple[list[LayerCache], jax.Array]]
"""Feeds the latest token of every row: the caches with it, and logits [B, V]."""


def _alone(
    model: Transformer, weights: Weights, s: DecodeState
) -> tuple[list[LayerCache], jax.Array]:
    """Every row sees what it has in its slot."""
    rows = s.rows
    visible = ages(s.column, s.columns) <= rows.lengths[:, None]
    return decode_step(
        model,
        weights.shared,
        weights.layers,
        s.caches,
        rows.tokens,
        rows.lengths,
        s.column,
        visible,
    )


def _with_pages(
    pages: SavedCaches, seating: Seating, model: Transformer, weights: Weights, s: DecodeState
) -> tuple[list[LayerCache], jax.Array]:
    """Every row sees its page too."""
    attends = paging.attends(model.config, s, pages, seating, model.mesh)
    tokens, positions = s.rows.tokens, s.rows.lengths
    return feed(model, weights.shared, weights.layers, tokens, positions, attends)


def _step(
    model: Transformer, weights: Weights, s: DecodeState, rule: Rule, feed_rows: Feed
) -> tuple[DecodeState, jax.Array, jax.Array]:
    """Feeds the latest token of every row and chooses the next."""
    rows = s.rows
    caches, logits = feed_rows(model, weights, s)
    token, logprob = choose(logits, _uniform(rows, rule), rows.wishes, rule)
    live = ~rows.finished
    left = rows.left - live
    ended = jnp.any(token[:, None] == rows.ends, axis=1) | (left <= 0)
    rows = rows.replace(
        tokens=jnp.where(live, token, rows.tokens),
        lengths=rows.lengths + live,
        steps=rows.steps + live,
        left=left,
        idle=jnp.where(live, 0, rows.idle + 1),
        finished=rows.finished | ended,
    )
    return DecodeState(caches, rows, (s.column + 1) % s.columns), token, logprob


def _uniform(rows: Rows, rule: Rule) -> jax.Array:
    """One number in [0, 1) for each row, [B]: a function of its key and step."""
    if not rule.draws:
        return jnp.zeros(rows.steps.shape)

    def draw(key, step):
        return jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(key), step))

    return jax.vmap(draw)(rows.keys, rows.steps)
