"""What a training step costs beside a language model's, as the compiler counts it."""

import jax
import jax.numpy as jnp
import pytest

from reasoning_jax.models import Transformer, init_params, preset, token_logprobs
from reasoning_jax.models.energy import (
    EnergyBatch,
    EnergyModel,
    Thinking,
    draw_start,
    init_energy_params,
    loss_autodiff,
)

ROWS, LENGTH, VOCAB = 2, 32, 64
CONFIG = preset("nano", VOCAB)


def compiled(loss, params, *arguments):
    return jax.jit(jax.grad(loss)).lower(params, *arguments).compile()


@pytest.fixture(scope="module")
def plain_flops():
    model = Transformer(CONFIG, unroll=CONFIG.n_layers)
    params = jax.eval_shape(lambda: init_params(CONFIG, jax.random.key(0)))
    tokens = jax.ShapeDtypeStruct((ROWS, LENGTH + 1), jnp.int32)

    def loss(params, tokens):
        return -token_logprobs(model, params, tokens, chunk=LENGTH).logprobs.sum()

    return compiled(loss, params, tokens).cost_analysis()["flops"]


def energy_gradient(loss, thinking):
    """The compiled gradient of a loss; loops unrolled, for the compiler counts their body once."""
    model = EnergyModel(Transformer(CONFIG, unroll=CONFIG.n_layers))
    params = jax.eval_shape(lambda: init_energy_params(CONFIG, jax.random.key(0)))
    ids = jnp.zeros((ROWS, LENGTH), jnp.int32)
    batch = EnergyBatch(ids, ids, jnp.ones((ROWS, LENGTH)))
    keys = jax.random.split(jax.random.key(0), ROWS)
    start = draw_start(model, thinking, keys, LENGTH)
    return compiled(lambda *a: loss(model, *a, thinking)[0], params, batch, start)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_a_step_of_training_costs_one_and_twice_the_steps(plain_flops, steps):
    thinking = Thinking(steps=steps, unroll=steps)
    flops = energy_gradient(loss_autodiff, thinking).cost_analysis()["flops"]
    assert flops / plain_flops == pytest.approx(1 + 2 * steps, rel=0.1)
