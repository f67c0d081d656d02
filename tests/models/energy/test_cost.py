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
    loss_two_phase,
)

ROWS, LENGTH, VOCAB = 2, 32, 64
CONFIG = preset("nano", VOCAB)
LARGE = preset("nano", 50_000)


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


def energy_gradient(loss, thinking, config=CONFIG):
    """The compiled gradient of a loss; loops unrolled, for the compiler counts their body once."""
    model = EnergyModel(Transformer(config, unroll=config.n_layers))
    params = jax.eval_shape(lambda: init_energy_params(config, jax.random.key(0)))
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


@pytest.mark.slow
def test_the_memory_of_two_phases_does_not_grow_with_the_steps():
    """Candidates of a large vocabulary are what memory holds."""

    def megabytes(loss, steps):
        program = energy_gradient(loss, Thinking(steps=steps), LARGE)
        return program.memory_analysis().temp_size_in_bytes / 2**20

    of_two, of_four = (megabytes(loss_two_phase, steps) for steps in (2, 4))
    assert of_four < 1.01 * of_two
    assert of_four < 0.5 * megabytes(loss_autodiff, 4)
