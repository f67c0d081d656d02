"""The buffer keeps the latest rows, gives out only what it holds, and is sharded like a batch."""

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models.energy import (
    EnergyBatch,
    abstract_replay,
    draw_replay,
    push,
    replay_shardings,
)
from reasoning_jax.parallel import make_mesh


def rows(first, count):
    ids = jnp.arange(first, first + count, dtype=jnp.int32)[:, None] * jnp.ones(2, jnp.int32)
    weights = jnp.asarray([[1.0, 0.0]] * count)
    batch = EnergyBatch(ids, ids + 100, weights, jnp.ones_like(ids))
    return batch, jnp.broadcast_to(ids[:, :, None].astype(jnp.float32), (count, 2, 3))


def empty(entries):
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), abstract_replay(entries, 2, 3))


def test_the_oldest_rows_go_first():
    replay = empty(5)
    for first in (1, 4, 7):
        replay = push(replay, *rows(first, 3))
    assert replay.pushed == 9
    assert sorted(np.asarray(replay.tokens[:, 0])) == [5, 6, 7, 8, 9]
    np.testing.assert_array_equal(replay.targets - 100, replay.tokens)
    np.testing.assert_array_equal(replay.candidates[:, :, 0], replay.tokens)
    np.testing.assert_array_equal(replay.mask, [[True, False]] * 5)


def test_what_is_drawn_was_stored():
    replay = push(empty(8), *rows(1, 3))
    drawn = draw_replay(replay, jax.random.key(0), 200)
    assert set(np.asarray(drawn.tokens[:, 0])) == {1, 2, 3}
    np.testing.assert_array_equal(drawn.candidates[:, 0, 0], drawn.tokens[:, 0])
    assert drawn.pushed == 3
    # Of nothing, rows of which no token counts.
    assert not draw_replay(empty(8), jax.random.key(0), 4).mask.any()


def test_rows_and_vocabulary_are_spread_over_devices():
    mesh = make_mesh(2, 2, 2)
    shapes = abstract_replay(8, 6, 16)
    shardings = replay_shardings(shapes, mesh)
    assert shardings.candidates.shard_shape((8, 6, 16)) == (2, 6, 8)
    assert shardings.tokens.shard_shape((8, 6)) == (2, 6)
    assert shardings.pushed.is_fully_replicated
