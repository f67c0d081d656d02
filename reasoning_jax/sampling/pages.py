"""Prompts that several rows read together: every step reads their keys and values once.

A page holds a prompt and has seats for rows that go on from it. A row's attention over its page
and over what it has of its own are two softmaxes over columns that no two of them share, so that
both together are the softmax over all, merged by their normalisers (Hydragen, arXiv:2402.05099,
section 3.1): exact. The queries of all rows of a page are rows of one product.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import Mesh

from reasoning_jax.models.attention.scores import MASKED, masked_scores
from reasoning_jax.models.cache import LayerCache, ages
from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.layers import Attend
from reasoning_jax.sampling.state import DecodeState, SavedCaches, append, on_shards
from reasoning_jax.sampling.state import lift as lift_own


@struct.dataclass
class Seating:
    """Who sits where; slots, pages and seats are counted on each device.

    Attributes:
      seats: [P, N] slot of the row in each seat of a page; B for none.
      places: [B] seat of each row, counted over all pages; P * N for none.
      shared: [B] tokens of the row that its page holds; 0 for none.
      lengths: [P] tokens in the page.
    """

    seats: jax.Array
    places: jax.Array
    shared: jax.Array
    lengths: jax.Array


@struct.dataclass
class Partial:
    """Attention over some of the columns that a row sees; [B, K, G, .] float32.

    Attributes:
      sums: values weighted by exp(score - highest).
      highest: the highest score.
      totals: of the weights.
    """

    sums: jax.Array
    highest: jax.Array
    totals: jax.Array


def load(
    pages: SavedCaches, saved: SavedCaches, targets: jax.Array, sources: jax.Array
) -> SavedCaches:
    """Pages with rows of ``saved`` in some of them.

    Args:
      targets: [L] page that each goes to; P for none.
      sources: [L] row of ``saved``; where a page is narrower, it has no tokens before.
    """
    width = pages[0].columns
    used = min(saved[0].columns, width)

    def put(page: LayerCache, source: LayerCache) -> LayerCache:
        new = source.last(used).take(sources).widen(width)
        return page.put(targets, new.roll(width - used))

    return [put(*pair) for pair in zip(pages, saved, strict=True)]


def lift(
    state: DecodeState,
    pages: SavedCaches,
    seating: Seating,
    slots: jax.Array,
    surplus: jax.Array,
    *,
    columns: int,
) -> SavedCaches:
    """The caches of rows, to go on from: what their pages hold, then what their slots hold.

    Args:
      slots, surplus, columns: as in `state.lift`.
    """
    own = lift_own(state, seating.shared, slots, surplus, columns=columns)
    shared = jnp.take(seating.shared, slots)
    is_shared = jnp.arange(pages[0].columns)[::-1] < shared[:, None]
    page = jnp.take(seating.places, slots) // seating.seats.shape[1]
    before = [cache.take(page).keep(is_shared) for cache in pages]
    count = jnp.take(state.rows.lengths, slots) - shared - surplus
    return append(before, own, count)


def attends(
    config: ModelConfig,
    state: DecodeState,
    pages: SavedCaches,
    seating: Seating,
    mesh: Mesh | None,
) -> list[Attend]:
    """Attention of each layer for the latest token of every row, over its page and its own."""
    own = ages(state.column, state.columns)
    position_B = state.rows.lengths
    own_BxS = own <= (position_B - seating.shared)[:, None]
    key_PxS = seating.lengths[:, None] - jnp.arange(pages[0].columns)[::-1] - 1
    page_Px1xS = (key_PxS >= 0)[:, None]
    masks = {False: (own_BxS, page_Px1xS)}
    if any(config.slides):
        take = on_shards(lambda x, at: jnp.take(x, at, mode="clip"), mesh)
        query_PxNx1 = take(position_B, seating.seats)[..., None]
        masks[True] = (
            own_BxS & (own < config.sliding_window),
            page_Px1xS & (key_PxS[:, None] > query_PxNx1 - config.sliding_window),
        )
    return [
        _attend(config, cache, page, seating, state.column, *masks[slides], mesh)
        for cache, page, slides in zip(state.caches, pages, config.slides, strict=True)
    ]


def _attend(
    config: ModelConfig,
    cache: LayerCache,
    page: LayerCache,
    seating: Seating,
    column: jax.Array,
    own_BxS: jax.Array,
    page_PxNxS: jax.Array,
    mesh: Mesh | None,
) -> Attend:
    def score(q_BxKxQxD: jax.Array, over: LayerCache, mask: jax.Array) -> Partial:
        return partial(q_BxKxQxD, over, mask, config.attention_scale, config.attention_softcap)

    def read(q_BxKxGxD, page, seats_PxN, places_B, mask_PxNxS) -> Partial:
        (p, n), (_, k, g, d) = seats_PxN.shape, q_BxKxGxD.shape
        q = jnp.take(q_BxKxGxD, seats_PxN.ravel(), axis=0, mode="fill", fill_value=0)
        q = q.reshape(p, n, k, g, d).swapaxes(1, 2).reshape(p, k, n * g, d)
        mask = jnp.broadcast_to(mask_PxNxS, (p, n, mask_PxNxS.shape[2]))
        part = score(q, page, jnp.repeat(mask, g, axis=1)[:, None])

        def back(x: jax.Array, fill: float) -> jax.Array:
            x = x.reshape(p, k, n, g, -1).swapaxes(1, 2).reshape(p * n, k, g, -1)
            return jnp.take(x, places_B, axis=0, mode="fill", fill_value=fill)

        return Partial(back(part.sums, 0), back(part.highest, MASKED), back(part.totals, 0))

    def attend(q, k, v):
        b, _, h, d = q.shape
        written = cache.write(k, v, column)
        q_BxKxGxD = q.reshape(b, k.shape[2], -1, d)
        own = score(q_BxKxGxD, written, own_BxS[:, None, None])
        shared = on_shards(read, mesh)(q_BxKxGxD, page, seating.seats, seating.places, page_PxNxS)
        return merge([own, shared]).astype(q.dtype).reshape(b, 1, h, d), written

    return attend


def partial(
    q_BxKxQxD: jax.Array, cache: LayerCache, mask: jax.Array, scale: float, softcap: float | None
) -> Partial:
    """Attention of Q queries per key head over what they see of a cache; mask [B, 1, 1 or Q, S]."""
    products = jnp.einsum(
        "bkqd,bkds->bkqs", q_BxKxQxD, cache.k_BxKxDxS, preferred_element_type=jnp.float32
    )
    scores = masked_scores(products, mask, scale, softcap)
    highest = scores.max(axis=-1, keepdims=True)
    weights = jnp.exp(scores - highest)
    sums = jnp.einsum(
        "bkqs,bksd->bkqd",
        weights.astype(cache.v_BxKxSxD.dtype),
        cache.v_BxKxSxD,
        preferred_element_type=jnp.float32,
    )
    return Partial(sums, highest, weights.sum(axis=-1, keepdims=True))


def merge(parts: Sequence[Partial]) -> jax.Array:
    """Attention over the columns of all parts together, [B, K, G, D]; no two may share one."""
    highest = parts[0].highest
    for part in parts[1:]:
        highest = jnp.maximum(highest, part.highest)
    shares = [jnp.exp(part.highest - highest) for part in parts]
    totals = sum(share * part.totals for share, part in zip(shares, parts))
    return sum(share * part.sums for share, part in zip(shares, parts)) / totals
