"""Meshes, and the shardings that the table of rules gives on eight host devices."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from reasoning_jax import parallel


@pytest.fixture(scope="module")
def mesh():
    return parallel.make_mesh(2, 2, 2)


def shape_of(mesh):
    return tuple(mesh.shape[axis] for axis in parallel.MESH_AXES)


def test_minus_one_takes_the_devices_that_are_left():
    assert shape_of(parallel.make_mesh()) == (8, 1, 1, 1)
    assert shape_of(parallel.make_mesh(fsdp=2, tensor=2)) == (2, 2, 1, 2)
    assert shape_of(parallel.make_mesh(data=1, fsdp=2, expert=-1)) == (1, 2, 4, 1)
    assert shape_of(parallel.make_mesh(1, -1, 2)) == (1, 4, 1, 2)
    assert shape_of(parallel.make_mesh(devices=jax.devices()[:1])) == (1, 1, 1, 1)


@pytest.mark.parametrize("sizes", [(2, 2, 1), (-1, 3, 1), (-1, 16, 1), (16, 1, 1)])
def test_sizes_that_do_not_fit_the_devices_are_refused(sizes):
    with pytest.raises(ValueError, match=r"needs \d+ devices but there are 8; set mesh\.data"):
        parallel.make_mesh(*sizes)


@pytest.mark.parametrize("sizes", [(-1, -1, 1), (0, 1, 8), (-2, 4, 1)])
def test_sizes_without_meaning_are_refused(sizes):
    with pytest.raises(ValueError, match="each >= 1, at most one -1"):
        parallel.make_mesh(*sizes)


@pytest.mark.parametrize(
    "axes, shape, spec",
    [
        (("batch", None), (8, 5), P(("data", "fsdp", "expert"), None)),
        (("vocab", "embed"), (32, 6), P("tensor", "fsdp")),
        (("embed", "heads", None), (6, 4, 3), P("fsdp", "tensor", None)),
        (("embed", "kv_heads", None), (6, 1, 3), P("fsdp", None, None)),
        (("mlp", "embed"), (7, 5), P(None, None)),
        (("expert", "embed", "mlp"), (4, 6, 8), P("expert", "fsdp", "tensor")),
        (("batch", None, "vocab"), (6, 3, 8), P(None, None, "tensor")),
        ((None,), (8,), P(None)),
        (("no_rule",), (8,), P(None)),
    ],
)
def test_partition_follows_the_rules_where_they_divide(mesh, axes, shape, spec):
    sharding = parallel.partition(mesh, axes, shape)
    expected = jax.sharding.NamedSharding(mesh, spec)
    assert sharding.is_equivalent_to(expected, len(shape))


def test_gathered_weights_are_whole_over_storage_axes_only(mesh):
    sharding = parallel.partition(mesh, ("embed", "mlp"), (8, 8), gathered=True)
    assert sharding.shard_shape((8, 8)) == (8, 4)
    assert parallel.partition(mesh, ("embed", "mlp"), (8, 8)).shard_shape((8, 8)) == (4, 4)


def test_partition_wants_an_axis_for_every_dimension(mesh):
    with pytest.raises(ValueError):
        parallel.partition(mesh, ("batch",), (8, 2))


def test_batch_ways_are_data_times_fsdp_times_expert(mesh):
    assert parallel.batch_ways(mesh) == 4
    assert parallel.batch_ways(parallel.make_mesh(1, 2, 1, 4)) == 8
    assert parallel.batch_ways(parallel.make_mesh(1, 1, 8)) == 1


def test_constrain_and_gather_place_arrays_inside_jit(mesh):
    @jax.jit
    def placed(x):
        return (
            parallel.constrain(x, mesh, "batch", "mlp"),
            parallel.gather(x, mesh, "embed", "mlp"),
        )

    x = jnp.arange(64.0).reshape(8, 8)
    constrained, gathered = placed(x)
    assert constrained.sharding.shard_shape(x.shape) == (2, 4)
    assert gathered.sharding.shard_shape(x.shape) == (8, 4)
    assert (constrained == x).all() and (gathered == x).all()


def test_one_device_needs_no_placement():
    x = jnp.ones(3)
    one = parallel.make_mesh(devices=jax.devices()[:1])
    for mesh in (None, one):
        assert parallel.constrain(x, mesh, "batch") is x
        assert parallel.gather(x, mesh, "embed") is x
