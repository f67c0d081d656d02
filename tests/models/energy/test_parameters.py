"""The parameters of an energy model are those of a language model and a little more."""

import jax
import numpy as np

from reasoning_jax.models import abstract_params, count_params, preset
from reasoning_jax.models.energy import energy_param_shardings, init_energy_params
from reasoning_jax.parallel import make_mesh


def test_the_decoder_is_the_plain_one():
    config = preset("nano", 20)
    params = init_energy_params(config, jax.random.key(0), landscapes=2, step_size=7.0)
    assert jax.tree.map(np.shape, params["decoder"]) == jax.tree.map(
        np.shape, abstract_params(config)
    )
    v, m = config.vocab_size, config.d_model
    beside = count_params(params) - count_params(params["decoder"])
    assert beside == v * m + 2 * m + m + 1
    assert params["step_size"] == 7.0
    assert not params["landscape_embedding"].any()
    spread = np.std(params["candidate_embedding"]) / (2 / (v + m)) ** 0.5
    assert 0.9 < spread < 1.1
    timed = init_energy_params(
        config, jax.random.key(0), landscapes=2, step_size=7.0, conditioning="time_token"
    )
    # A token that is 0 is divided by its size, and so would its gradient be.
    assert 0.8 < np.std(timed["landscape_embedding"]) < 1.2
    np.testing.assert_array_equal(timed["candidate_embedding"], params["candidate_embedding"])


def test_every_mesh_makes_the_same_parameters():
    config = preset("nano", 20)
    mesh = make_mesh(2, 2, 2)
    alone = init_energy_params(config, jax.random.key(3))
    spread = init_energy_params(config, jax.random.key(3), mesh=mesh)
    jax.tree.map(np.testing.assert_array_equal, alone, jax.tree.map(np.asarray, spread))
    table = energy_param_shardings(config, 1, mesh)["candidate_embedding"]
    assert spread["candidate_embedding"].sharding == table
    assert table.shard_shape((20, 64)) == (10, 32)
