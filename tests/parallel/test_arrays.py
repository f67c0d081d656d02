"""Arrays to the devices of a mesh and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import parallel


@pytest.fixture(scope="module")
def mesh():
    return parallel.make_mesh(2, 2, 2)


def test_put_batch_splits_rows_and_to_host_brings_them_back(mesh):
    batch = {"a": np.arange(24).reshape(8, 3), "b": np.arange(8) > 3, "none": None}
    placed = parallel.put_batch(batch, mesh)
    assert placed["a"].sharding.shard_shape((8, 3)) == (2, 3)
    assert placed["b"].sharding.shard_shape((8,)) == (2,)
    assert placed["none"] is None
    for shard in placed["a"].addressable_shards:
        np.testing.assert_array_equal(shard.data, batch["a"][shard.index])
    back = parallel.to_host(placed)
    assert isinstance(back["a"], np.ndarray)
    np.testing.assert_array_equal(back["a"], batch["a"])
    np.testing.assert_array_equal(back["b"], batch["b"])


def test_put_batch_takes_lists_and_keeps_dtypes(mesh):
    placed = parallel.put_batch(np.arange(4, dtype=np.int8), mesh)
    assert placed.dtype == jnp.int8 and placed.shape == (4,)


def test_a_batch_that_does_not_divide_is_refused(mesh):
    with pytest.raises(ValueError, match=r"batch of 6 rows does not divide over 4 devices"):
        parallel.put_batch({"ok": np.zeros(8), "not": np.zeros((6, 2))}, mesh)


def test_put_replicated_is_whole_on_every_device(mesh):
    placed = parallel.put_replicated((np.float32(2.5), np.arange(3)), mesh)
    assert all(x.sharding.is_fully_replicated for x in placed)
    assert len(placed[1].addressable_shards) == len(jax.devices())
    assert parallel.to_host(placed)[0] == 2.5
    np.testing.assert_array_equal(parallel.to_host(placed)[1], [0, 1, 2])
