"""Eight devices give the loss and the gradients of one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, preset
from reasoning_jax.models.energy import (
    EnergyBatch,
    EnergyModel,
    Thinking,
    draw_start,
    energy_param_shardings,
    init_energy_params,
    loss_autodiff,
    loss_two_phase,
    two_phase,
)
from reasoning_jax.parallel import make_mesh, put_batch

ROWS, LENGTH, VOCAB = 8, 6, 16


@pytest.mark.slow
@pytest.mark.parametrize("loss_of", [loss_autodiff, loss_two_phase])
def test_eight_devices_give_the_gradients_of_one(loss_of, monkeypatch):
    monkeypatch.setattr(two_phase, "PIECE", 2 * LENGTH * VOCAB)
    config = preset("nano", VOCAB, {"d_model": 16, "n_heads": 2, "n_kv_heads": 2, "d_ff": 32})
    mesh = make_mesh(2, 2, 2)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCAB, (ROWS, LENGTH + 1), dtype=np.int32)
    weights = np.full((ROWS, LENGTH), 1 / (ROWS * LENGTH), np.float32)
    batch = EnergyBatch(tokens[:, :-1], tokens[:, 1:], weights)
    thinking = Thinking(steps=2, min_steps=1, step_size_spread=2.0, langevin=0.1)
    key = jax.random.key(0)

    def gradient(mesh, batch):
        model = EnergyModel(Transformer(config, mesh=mesh))
        params = init_energy_params(config, key, mesh=mesh)

        @jax.jit
        def run(params, batch):
            start = draw_start(model, thinking, jax.random.split(key, ROWS), LENGTH)

            def loss(params):
                return loss_of(model, params, batch, start, thinking)

            (value, rows), grads = jax.value_and_grad(loss, has_aux=True)(params)
            if mesh is not None:
                shardings = energy_param_shardings(config, 1, mesh)
                grads = jax.lax.with_sharding_constraint(grads, shardings)
            return value, rows, grads

        return run(params, batch)

    alone = gradient(None, jax.tree.map(jnp.asarray, batch))
    spread = gradient(mesh, put_batch(batch, mesh))
    for one, eight in zip(jax.tree.leaves(alone), jax.tree.leaves(spread), strict=True):
        np.testing.assert_allclose(eight, one, rtol=1e-4, atol=1e-4 * np.abs(one).max())
    table = spread[2]["candidate_embedding"]
    assert table.sharding.shard_shape(table.shape) == (VOCAB // 2, 8)
