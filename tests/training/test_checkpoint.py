"""Checkpoints come back as they were, whatever happened while they were written."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.parallel import make_mesh, partition, replicated
from reasoning_jax.training.checkpoint import Checkpoints
from reasoning_jax.training.state import TrainState, with_shardings


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(2, 2, 2)


@pytest.fixture(scope="module")
def shardings(mesh):
    return {
        "kernel": partition(mesh, ("embed", "mlp"), (8, 6)),
        "scale": partition(mesh, (None,), (8,)),
    }


@pytest.fixture
def state(mesh, shardings):
    """Fresh arrays in every test: some of them are donated."""
    params = {"kernel": jnp.arange(48.0).reshape(8, 6), "scale": jnp.ones(8)}
    params = jax.device_put(params, shardings)
    opt_state = optax.adam(1e-3).init(params)
    return TrainState(jax.device_put(jnp.int32(17), replicated(mesh)), params, opt_state)


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path / "checkpoints")
    yield opened
    opened.close()


def abstract(tree):
    """Shapes, dtypes and shardings of a pytree of arrays."""
    return with_shardings(tree, jax.tree.map(lambda x: x.sharding, tree))


def assert_equal(restored, expected):
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(restored), jax.tree.leaves(expected)):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_everything_comes_back_in_its_shards(checkpoints, state, shardings):
    meta = {"stage": "rl", "step": 3, "iterator": {"next_index": 4}, "best": 0.25, "none": None}
    checkpoints.save(3, state.params, state.replace(params=None), meta)
    checkpoints.wait()
    assert checkpoints.numbers() == [3]
    assert checkpoints.meta(3) == meta
    params = checkpoints.params(3, abstract(state.params))
    assert_equal(params, state.params)
    for name, value in params.items():
        assert value.sharding == shardings[name]
    training = checkpoints.training(3, abstract(state).replace(params=None))
    assert_equal(training, state.replace(params=None))
    assert isinstance(training, TrainState) and training.opt_state[0].mu["kernel"].shape == (8, 6)


def test_parameters_come_back_on_other_devices(checkpoints, state):
    checkpoints.save(1, state.params, None, {})
    checkpoints.wait()
    one = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            x.shape, x.dtype, sharding=jax.sharding.SingleDeviceSharding(jax.devices()[5])
        ),
        state.params,
    )
    params = checkpoints.params(1, one)
    assert_equal(params, state.params)
    assert all(value.devices() == {jax.devices()[5]} for value in params.values())


def test_another_process_finds_them(checkpoints, state, tmp_path):
    checkpoints.save(9, state.params, None, {"n": 9})
    checkpoints.save(10, state.params, None, {"n": 10})
    checkpoints.close()
    again = Checkpoints(tmp_path / "checkpoints")
    assert again.numbers() == [9, 10]
    assert again.meta(10) == {"n": 10}
    assert_equal(again.params(9, abstract(state.params)), state.params)
    again.close()


def test_values_are_those_of_the_time_of_saving(checkpoints, mesh):
    sharding = partition(mesh, ("embed", "mlp"), (1024, 1024))
    values = jax.device_put(np.random.default_rng(0).normal(size=(1024, 1024)), sharding)
    params, moments = {"kernel": values}, {"kernel": values + 1}
    expected = np.asarray(values).copy()
    update = jax.jit(lambda tree: jax.tree.map(lambda x: 2 * x + 1, tree), donate_argnums=0)
    checkpoints.save(1, params, moments, {})
    for _ in range(4):  # while it is being written
        params, moments = update(params), update(moments)
    jax.block_until_ready((params, moments))
    checkpoints.wait()
    np.testing.assert_array_equal(checkpoints.params(1, abstract(params))["kernel"], expected)
    restored = checkpoints.training(1, abstract(moments))["kernel"]
    np.testing.assert_array_equal(restored, expected + 1)
    assert not np.array_equal(params["kernel"], expected)


def test_keep_only_deletes_the_others(checkpoints, state, tmp_path):
    for number in (0, 2, 5, 11):
        checkpoints.save(number, state.params, None, {"n": number})
    checkpoints.wait()
    assert checkpoints.numbers() == [0, 2, 5, 11]
    checkpoints.keep_only({0, 11, 99})
    assert checkpoints.numbers() == [0, 11]
    folders = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert folders == {"0", "11"}
    assert checkpoints.meta(0) == {"n": 0}


def test_a_number_that_is_not_new_is_refused(checkpoints, state):
    checkpoints.save(4, state.params, None, {})
    for number in (4, 3):
        with pytest.raises(ValueError, match=rf"checkpoint {number} is not saved.*above 4"):
            checkpoints.save(number, state.params, None, {})
    checkpoints.wait()
    assert checkpoints.numbers() == [4]


def test_what_a_killed_process_leaves_is_ignored(checkpoints, state, tmp_path):
    checkpoints.save(1, state.params, None, {"n": 1})
    checkpoints.wait()
    folder = tmp_path / "checkpoints"
    half = folder / "2.orbax-checkpoint-tmp"
    half.mkdir()
    # All but the parameters, as when killed in the midst of them.
    (half / "_CHECKPOINT_METADATA").write_bytes(
        (folder / "1" / "_CHECKPOINT_METADATA").read_bytes()
    )
    again = Checkpoints(folder)
    assert again.numbers() == [1]
    again.save(2, state.params, None, {"n": 2})
    again.wait()
    assert again.numbers() == [1, 2] and again.meta(2) == {"n": 2}
    assert not half.exists()
    again.close()


def damage(folder, content=b""):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"not what was written"])
def test_damaged_parameters_are_refused_with_their_folder(checkpoints, state, tmp_path, content):
    checkpoints.save(6, state.params, state.replace(params=None), {"n": 6})
    checkpoints.wait()
    damage(tmp_path / "checkpoints" / "6" / "params", content)
    with pytest.raises(ValueError, match=r"checkpoint .*/6 cannot be read .* is damaged .*delete"):
        checkpoints.params(6, abstract(state.params))
    # The rest is whole.
    assert checkpoints.meta(6) == {"n": 6}
    training = checkpoints.training(6, abstract(state).replace(params=None))
    assert_equal(training, state.replace(params=None))


def test_damaged_meta_and_training_are_refused(checkpoints, state, tmp_path):
    checkpoints.save(6, state.params, state.replace(params=None), {})
    checkpoints.wait()
    damage(tmp_path / "checkpoints" / "6" / "meta")
    damage(tmp_path / "checkpoints" / "6" / "training")
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoints.meta(6)
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoints.training(6, abstract(state).replace(params=None))


def test_parameters_of_another_model_are_refused(checkpoints, state, mesh):
    checkpoints.save(1, {"kernel": state.params["kernel"]}, None, {})
    checkpoints.wait()
    others = {"kernel": jnp.zeros((4, 6))}, {"kernel": jnp.zeros((8, 6)), "bias": jnp.zeros(8)}
    for other in others:
        with pytest.raises(ValueError, match="belongs to another model"):
            checkpoints.params(1, abstract(jax.device_put(other, replicated(mesh))))


def test_a_missing_number_or_training_is_refused(checkpoints, state):
    checkpoints.save(1, state.params, None, {})
    checkpoints.wait()
    with pytest.raises(ValueError, match=r"/2 cannot be read"):
        checkpoints.params(2, abstract(state.params))
    with pytest.raises(ValueError, match=r"/1 cannot be read"):
        checkpoints.training(1, abstract(state).replace(params=None))
