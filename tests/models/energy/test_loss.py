"""Gradients of the losses of thinking: by differences, and of one mode by another."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.energy import (
    EnergyBatch,
    Thinking,
    draw_start,
    encode,
    loss_autodiff,
    loss_truncated,
    loss_two_phase,
    loss_unrolled,
    think,
    two_phase,
)
from reasoning_jax.models.energy.thinking import descend

ROWS, LENGTH = 3, 5
LENGTHS = np.array([5, 3, 4])
RANDOM = Thinking(steps=3, min_steps=1, init_scale=1.0, step_size_spread=2.0, langevin=0.3)
TWO = Thinking(steps=2, init_scale=1.0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    tokens, targets = rng.integers(0, 11, (2, ROWS, LENGTH))
    real = np.arange(LENGTH) < LENGTHS[:, None]
    weights = real / real.sum()
    return EnergyBatch(*(jnp.asarray(x) for x in (tokens, targets, weights, real.astype(int))))


def start_of(model, thinking):
    start = draw_start(model, thinking, jax.random.split(jax.random.key(5), ROWS), LENGTH)
    return start._replace(n_steps=jnp.minimum(jnp.asarray([1, 3, 2]), thinking.steps))


@functools.partial(jax.jit, static_argnums=(0, 1, 5))
def gradient(loss, model, params, batch, start, thinking):
    def of_params(params):
        return loss(model, params, batch, start, thinking)

    return jax.value_and_grad(of_params, has_aux=True)(params)


def assert_close(found, expected, rtol=1e-8):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


@pytest.mark.parametrize("name", ["plain", pytest.param("sliding", marks=pytest.mark.slow)])
def test_the_gradient_through_all_steps_is_that_of_differences(float64, make, batch, name):
    model, params = make(name, jnp.float64, step_size=1.0)
    start = start_of(model, TWO)
    _, slope = gradient(loss_unrolled, model, params, batch, start, TWO)
    rng = np.random.default_rng(2)
    direction = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape)), params)

    @jax.jit
    def value(size):
        moved = jax.tree.map(lambda p, d: p + size * d, params, direction)
        return loss_unrolled(model, moved, batch, start, TWO)[0]

    by_difference = (value(1e-6) - value(-1e-6)) / 2e-6
    products = jax.tree.map(lambda g, d: jnp.sum(g * d), slope, direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), by_difference, rtol=1e-6)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(slope))


@pytest.mark.slow
def test_each_step_is_differentiated_on_its_own(float64, make, batch):
    """The mean over two steps is half of each; each is one step from where it began."""
    model, params = make("plain", jnp.float64, landscapes=1, step_size=1.0)
    start = start_of(model, TWO)._replace(n_steps=jnp.full(ROWS, 2))
    one_step = start._replace(n_steps=jnp.ones(ROWS, int))
    middle = think(
        model, params, encode(model, params, batch.tokens, batch.segment_ids), one_step, TWO
    ).candidates
    first_loss, first = gradient(loss_unrolled, model, params, batch, one_step, TWO)
    from_middle = one_step._replace(candidates=middle)
    second_loss, second = gradient(loss_unrolled, model, params, batch, from_middle, TWO)

    (value, rows), slope = gradient(loss_autodiff, model, params, batch, start, TWO)
    np.testing.assert_allclose(value, (first_loss[0] + second_loss[0]) / 2, rtol=1e-12)
    assert_close(slope, jax.tree.map(lambda a, b: (a + b) / 2, first, second))
    np.testing.assert_allclose(rows.nll.sum(axis=0), [first_loss[0], second_loss[0]], rtol=1e-12)

    (value, last_rows), slope = gradient(loss_truncated, model, params, batch, start, TWO)
    np.testing.assert_allclose(value, second_loss[0], rtol=1e-12)
    assert_close(slope, second)
    assert_close(last_rows, rows)


@pytest.mark.parametrize("name", ["plain", pytest.param("sliding", marks=pytest.mark.slow)])
def test_two_phases_give_the_gradient_of_autodiff(float64, make, batch, name, monkeypatch):
    monkeypatch.setattr(two_phase, "PIECE", ROWS * 11)  # a piece is one column
    model, params = make(name, jnp.float64)
    start = start_of(model, RANDOM)
    found = gradient(loss_two_phase, model, params, batch, start, RANDOM)
    assert_close(found, gradient(loss_autodiff, model, params, batch, start, RANDOM))


@pytest.mark.parametrize("loss", [loss_autodiff, loss_two_phase])
def test_padding_may_hold_anything(float64, make, batch, loss):
    model, params = make("plain", jnp.float64)
    start = start_of(model, RANDOM)
    padding = np.arange(LENGTH) >= LENGTHS[:, None]
    worse = dataclasses.replace(
        batch,
        tokens=jnp.where(padding, 10**6, batch.tokens),
        targets=jnp.where(padding, -7, batch.targets),
    )
    nan = jnp.where(padding[:, :, None], jnp.nan, start.candidates)
    clean = gradient(loss, model, params, batch, start, RANDOM)
    found = gradient(loss, model, params, worse, start._replace(candidates=nan), RANDOM)
    assert_close(found, clean, rtol=0)


@pytest.mark.parametrize("loss", [loss_autodiff, loss_truncated])
def test_rows_that_take_fewer_steps_are_those_of_a_loop(make, batch, loss):
    model, params = make()
    start = start_of(model, RANDOM)
    value, rows = jax.jit(lambda params: loss(model, params, batch, start, RANDOM))(params)
    endless = start._replace(n_steps=jnp.full(ROWS, 99))
    context = encode(model, params, batch.tokens, batch.segment_ids)
    step_of = jax.jit(lambda y, t: descend(model, params, context, y, t, endless, RANDOM))
    share = {loss_autodiff: lambda t, n: 1 / n, loss_truncated: lambda t, n: t == n - 1}[loss]
    candidates, total = start.candidates, 0.0
    for t in range(3):
        step = step_of(candidates, jnp.full(ROWS, t))
        candidates = step.candidates
        logprobs = np.asarray(jax.nn.log_softmax(candidates))
        for row, n in enumerate([1, 3, 2]):
            if t >= n:
                assert all(values[row, t] == 0 for values in rows[:4])
                continue
            weights = batch.weights[row]
            nll = -logprobs[row, np.arange(LENGTH), batch.targets[row]] @ weights
            np.testing.assert_allclose(rows.nll[row, t], nll, rtol=1e-4)
            np.testing.assert_allclose(
                rows.energy[row, t], step.energies[row] @ weights, rtol=1e-4, atol=1e-5
            )
            np.testing.assert_allclose(rows.slope[row, t], step.slope[row] @ weights, rtol=1e-4)
            np.testing.assert_allclose(rows.weight[row, t], weights.sum(), rtol=1e-5)
            total += nll * share(t, n)
            if t == n - 1:
                last = np.where(weights[:, None] > 0, step.candidates[row], 0)
                np.testing.assert_allclose(rows.candidates[row], last, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(value, total, rtol=1e-5)
