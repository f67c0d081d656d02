"""Rows that are decoded together, and how they get into their slots and out: pure functions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import Mesh

from reasoning_jax.models.cache import LayerCache
from reasoning_jax.parallel.mesh import partition
from reasoning_jax.sampling.choose import Wishes

SavedCaches = list[LayerCache]
"""Keys and values of rows outside the slots, one cache per layer.

The latest token of every row is in the last column, those before it in the columns before;
where a row has no token there are zeros.
"""


@struct.dataclass
class Rows:
    """One entry for every slot.

    Attributes:
      keys: [B, 2] uint32 data of the random key of each row.
      tokens: [B] latest token; it is not in the caches yet.
      lengths: [B] tokens before it, all in the caches; the position of the latest token.
      steps: [B] step of the response that the next token is; with the key it fixes its draw.
      left: [B] tokens that may still be generated.
      idle: [B] steps since the row finished.
      finished: [B] ended by one of its ends or its limit, or stopped from outside; an empty slot.
      ends: [B, E] ids that end a row, filled up with -1.
      wishes: how its tokens are chosen.
    """

    keys: jax.Array
    tokens: jax.Array
    lengths: jax.Array
    steps: jax.Array
    left: jax.Array
    idle: jax.Array
    finished: jax.Array
    ends: jax.Array
    wishes: Wishes


@struct.dataclass
class DecodeState:
    """B slots over one ring of S columns.

    All rows write the same column. Row b sees the columns written in its last ``lengths[b] + 1``
    steps, whatever happened in its slot before.

    Attributes:
      caches: one per layer.
      rows: what is in the slots.
      column: scalar, the next column to write.
    """

    caches: list[LayerCache]
    rows: Rows
    column: jax.Array

    @property
    def columns(self) -> int:
        """S."""
        return self.caches[0].columns


def fill(saved: SavedCaches, rows: Rows, sources: jax.Array, *, columns: int) -> DecodeState:
    """Slots that are filled for the first time, all at once.

    Args:
      rows: the entries, [B].
      sources: [B] as in `place`; any for an entry that is finished.
      columns: S.
    """
    used = min(saved[0].columns, columns)  # no row in them is longer than the ring
    return DecodeState(
        caches=[source.last(used).take(sources).widen(columns) for source in saved],
        rows=rows,
        column=jnp.asarray(used % columns, jnp.int32),
    )


def place(
    state: DecodeState, saved: SavedCaches, rows: Rows, slots: jax.Array, sources: jax.Array
) -> DecodeState:
    """Puts G rows into slots, with the caches that belong to them.

    Args:
      rows: the new entries, [G].
      slots: [G] where each goes; B for none.
      sources: [G] row of ``saved`` that holds its keys and values; several may share one.
    """
    columns = min(saved[0].columns, state.columns)  # no row in them is longer than the ring

    def put(cache: LayerCache, source: LayerCache) -> LayerCache:
        # Whole rows of the cache are replaced, so that nothing of the one before is left.
        new = source.last(columns).take(sources).widen(state.columns)
        return cache.put(slots, new.roll(state.column - columns))

    return DecodeState(
        caches=[put(*pair) for pair in zip(state.caches, saved, strict=True)],
        rows=jax.tree.map(lambda x, y: x.at[slots].set(y, mode="drop"), state.rows, rows),
        column=state.column,
    )


def rearrange(state: DecodeState, slots: jax.Array, *, columns: int) -> DecodeState:
    """Other slots, another ring: slot r holds what was in slot ``slots[r]``; -1 makes it empty.

    Args:
      columns: S from now on; no row may be longer.
    """
    taken = jnp.maximum(slots, 0)
    rows = jax.tree.map(lambda x: jnp.take(x, taken, axis=0), state.rows)
    rows = rows.replace(finished=rows.finished | (slots < 0))

    def ring(cache: LayerCache) -> LayerCache:
        ordered = cache.take(taken).roll(-state.column)  # the latest column comes last
        return ordered.widen(columns) if columns > state.columns else ordered.last(columns)

    column = state.columns % columns if columns > state.columns else 0
    caches = [ring(cache) for cache in state.caches]
    return DecodeState(caches, rows, jnp.asarray(column, jnp.int32))


def lift(
    state: DecodeState, elsewhere: jax.Array, slots: jax.Array, surplus: jax.Array, *, columns: int
) -> SavedCaches:
    """The caches of rows, to go on from; no other row may have been put there since.

    Args:
      elsewhere: [B] how many of the tokens of each row, its first ones, are not in its slot.
      slots: [G] where the rows are.
      surplus: [G] how many of their latest tokens are left out.
      columns: of the result; no row may have more in its slot.
    """
    lengths, idle = (
        jnp.take(x, slots, axis=0) for x in (state.rows.lengths - elsewhere, state.rows.idle)
    )
    has_token = jnp.arange(columns)[::-1] < (lengths - surplus)[:, None]

    def save(cache: LayerCache) -> LayerCache:
        # What was written while a row was idle is moved to the front.
        ordered = jax.vmap(_roll_row)(cache.take(slots), idle + surplus - state.column)
        if columns > state.columns:
            ordered = ordered.widen(columns).roll(columns - state.columns)
        return ordered.last(columns).keep(has_token)

    return [save(cache) for cache in state.caches]


def append(saved: SavedCaches, new: list[LayerCache], lengths: jax.Array) -> SavedCaches:
    """Saved rows with more tokens after those they have.

    Args:
      new: keys and values of the tokens, laid out as saved rows are.
      lengths: [P] how many of them each row has.

    Returns:
      T + T2 columns.
    """
    columns = saved[0].columns + new[0].columns
    is_new = jnp.arange(columns)[::-1] < lengths[:, None]

    def join(old: LayerCache, new: LayerCache) -> LayerCache:
        # Old tokens end where the new ones of their row begin.
        old = jax.vmap(_roll_row)(old.widen(columns), new.columns - lengths)
        new = new.widen(columns).roll(columns - new.columns)
        return LayerCache(
            jnp.where(is_new[:, None, None], new.k_BxKxDxS, old.k_BxKxDxS),
            jnp.where(is_new[:, None, :, None], new.v_BxKxSxD, old.v_BxKxSxD),
        )

    return [join(*pair) for pair in zip(saved, new, strict=True)]


def _roll_row(cache: LayerCache, shift: jax.Array) -> LayerCache:
    """``LayerCache.roll`` of one row, without its batch axis."""
    return LayerCache(
        jnp.roll(cache.k_BxKxDxS, shift, axis=-1), jnp.roll(cache.v_BxKxSxD, shift, axis=-2)
    )


def on_shards(function: Callable, mesh: Mesh | None) -> Callable:
    """The function on every part of the batch by itself: indices of rows are local.

    So no row moves to another device. All arguments and results are trees of caches, arrays
    with a batch axis, and scalars that are equal on all devices.
    """
    if mesh is None or mesh.size == 1:
        return function

    def specs(tree):
        return jax.tree.map(lambda x: _sharding(x, mesh).spec, tree)

    def sharded(*args):
        # Shapes of results are those of the whole batch in all but the rows, which divide alike.
        outs = jax.eval_shape(function, *args)
        return jax.shard_map(
            function, mesh=mesh, in_specs=specs(args), out_specs=specs(outs), check_vma=False
        )(*args)

    return sharded


def pin(tree, mesh: Mesh | None):
    """Keeps caches, arrays with a batch axis and scalars where ``on_shards`` wants them."""
    if mesh is None or mesh.size == 1:
        return tree
    return jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, _sharding(x, mesh)), tree)


def _sharding(x, mesh: Mesh):
    """Of a cache [B, K, ., .], an array [B, ...] or a scalar."""
    axes = ("batch", *(None,) * (x.ndim - 1)) if x.ndim else ()
    if x.ndim == 4:
        axes = ("batch", "kv_heads", None, None)
    return partition(mesh, axes, x.shape)
