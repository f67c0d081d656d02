"""Starts that depend on their rows alone, and descent that lowers energies."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.models.energy import (
    EnergyBatch,
    Thinking,
    draw_start,
    encode,
    loss_autodiff,
    think,
    think_until,
)

VOCAB, ROWS, LENGTH = 11, 32, 8


def keys_of(seed, rows=ROWS):
    return jax.random.split(jax.random.key(seed), rows)


def test_a_start_depends_on_its_row_and_position_alone(make):
    model, _ = make()
    thinking = Thinking(steps=4, min_steps=2, init_scale=0.5, step_size_spread=2.0)
    keys = keys_of(0, rows=200)
    start = draw_start(model, thinking, keys, LENGTH)
    alone = draw_start(model, thinking, keys[7:8], LENGTH + 3)
    np.testing.assert_array_equal(alone.candidates[0, :LENGTH], start.candidates[7])
    np.testing.assert_array_equal(alone.step_scales[0, :LENGTH], start.step_scales[7])
    assert alone.n_steps[0] == start.n_steps[7]

    assert set(np.asarray(start.n_steps)) == {2, 3, 4}
    assert 0.49 < np.std(start.candidates) < 0.51
    assert 0.5 <= start.step_scales.min() < 0.52 and 1.98 < start.step_scales.max() <= 2
    assert abs(start.step_scales.mean() - 1.25) < 0.05  # of U(1/2, 2)


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="min_steps 3 and steps 2"):
        Thinking(steps=2, min_steps=3)
    with pytest.raises(ValueError, match="step_size_spread is"):
        Thinking(step_size_spread=0.5)
    with pytest.raises(ValueError, match="langevin is -1"):
        Thinking(langevin=-1)


def test_positions_rest_where_a_loop_would_stop_them(make):
    """Against a loop over steps on the host; rows of 4 tokens, the second with padding."""
    model, params = make(step_size=2.0)
    thinking = Thinking(steps=6, init_scale=1.0)
    rng = np.random.default_rng(0)
    segments = jnp.asarray([[1, 1, 1, 1], [1, 1, 0, 0]])
    context = encode(model, params, jnp.asarray(rng.integers(0, VOCAB, (2, 4))), segments)
    start = draw_start(model, thinking, keys_of(3, rows=2), 4)
    everything = jax.jit(functools.partial(think, model), static_argnums=3)
    # Positions do not see each other: of each, the trajectory without a rest is that with one.
    ys, after = [start.candidates], []
    for n in range(1, 7):
        some = start._replace(n_steps=jnp.full(2, n))
        thoughts = everything(params, context, some, thinking)
        ys.append(thoughts.candidates)
        after.append(np.asarray(thoughts.energies[-1]))
        before = np.asarray(thoughts.energies[:6])
    change = np.abs(np.stack(after) - before)  # [6, B, T], both on the landscape of the step
    tolerance = np.median(change[2][np.asarray(segments) > 0])
    rests = change < tolerance
    expected = np.where(rests.any(axis=0), rests.argmax(axis=0) + 1, 6)
    expected = np.where(segments > 0, expected, 0)
    assert len(np.unique(expected)) > 2

    run = jax.jit(functools.partial(think_until, model), static_argnums=(3, 4))
    settled = run(params, context, start, thinking, float(tolerance))
    np.testing.assert_array_equal(settled.steps, expected)
    for row, position in np.ndindex(2, 4):
        y = ys[expected[row, position]][row, position]
        np.testing.assert_allclose(settled.candidates[row, position], y, atol=1e-5)
    np.testing.assert_array_equal(settled.energies[1, 2:], 0)


def chains(rng, rows):
    """Each token is 3 times the one before plus one, modulo 11: what is to learn is sure."""
    tokens = [rng.integers(0, VOCAB, rows)]
    for _ in range(LENGTH):
        tokens.append((3 * tokens[-1] + 1) % VOCAB)
    tokens = jnp.asarray(np.stack(tokens, axis=1))
    return EnergyBatch(tokens[:, :-1], tokens[:, 1:], jnp.full((rows, LENGTH), 1 / (rows * LENGTH)))


@pytest.mark.slow
def test_a_model_trained_a_little_descends_to_what_comes_next(make):
    model, params = make(step_size=5.0)
    thinking = Thinking(steps=2)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))

    @jax.jit
    def update(params, state, batch, keys):
        start = draw_start(model, thinking, keys, LENGTH)

        def loss(params):
            return loss_autodiff(model, params, batch, start, thinking)

        (value, _), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    rng = np.random.default_rng(0)
    state, losses = optimizer.init(params), []
    for step in range(60):
        params, state, value = update(params, state, chains(rng, ROWS), keys_of(step))
        losses.append(float(value))
    assert losses[-1] < 0.5 < np.log(VOCAB) < losses[0]

    batch = chains(rng, ROWS)
    start = draw_start(model, thinking, keys_of(99), LENGTH)
    thoughts = jax.jit(functools.partial(think, model), static_argnums=3)(
        params, encode(model, params, batch.tokens), start, thinking
    )
    falls = np.diff(thoughts.energies, axis=0)
    assert (falls.mean(axis=(1, 2)) < 0).all()
    assert (falls.sum(axis=0) < 0).mean() > 0.95
    assert (thoughts.candidates.argmax(-1) == batch.targets).mean() > 0.95
