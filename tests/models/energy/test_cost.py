"""What a training step costs beside a language model's, as the compiler counts it."""

import pytest

from reasoning_jax.bench.energy import LARGE, SMALL, energy_gradient, plain_gradient
from reasoning_jax.models.energy import loss_autodiff, loss_two_phase


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_a_step_of_training_costs_one_and_twice_the_steps(steps):
    base = plain_gradient(SMALL).cost_analysis()["flops"]
    flops = energy_gradient(loss_autodiff, steps, SMALL, steps).cost_analysis()["flops"]
    assert flops / base == pytest.approx(1 + 2 * steps, rel=0.1)


@pytest.mark.slow
def test_two_phases_take_less_than_half_the_memory_of_autodiff():
    """Candidates of a large vocabulary are what memory holds; more steps need no more of it."""

    def mebibytes(loss, steps, unroll):
        program = energy_gradient(loss, steps, LARGE, unroll)
        return program.memory_analysis().temp_size_in_bytes / 2**20

    of_two, of_four = (mebibytes(loss_two_phase, steps, 1) for steps in (2, 4))
    assert of_four < 1.01 * of_two
    assert of_two < 0.5 * min(mebibytes(loss_autodiff, 2, unroll) for unroll in (1, 2))
