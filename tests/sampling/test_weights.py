"""Parameters in the form that decoding reads."""

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models import Transformer, param_shardings
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling.weights import prepare


def places(x):
    return {shard.data.unsafe_buffer_pointer() for shard in x.addressable_shards}


def test_devices_that_hold_the_same_share_its_memory(config, params):
    mesh = make_mesh(devices=jax.devices()[:2])
    placed = jax.device_put(params, param_shardings(config, mesh))
    weights = prepare(Transformer(config, mesh=mesh), placed)
    assert all(len(places(x)) == 1 for x in jax.tree.leaves(weights.layers))
    kernel = placed["layers"]["block"]["mlp"]["up"]["kernel"]
    for i, layer in enumerate(weights.layers):
        np.testing.assert_array_equal(layer["mlp"]["up"]["kernel"], kernel[i])


def test_what_is_split_stays_split(config, params):
    mesh = make_mesh(1, 2, 1, devices=jax.devices()[:2])
    placed = jax.device_put(params, param_shardings(config, mesh))
    weights = prepare(Transformer(config, mesh=mesh, dtype=jnp.bfloat16), placed)
    for x in jax.tree.leaves(weights.layers):
        assert len(places(x)) == (1 if x.is_fully_replicated else 2)
    assert weights.shared["embedding"].dtype == jnp.bfloat16
    assert weights.shared["final_norm"]["scale"].dtype == jnp.float32
