"""Energies of written tokens are those of candidates that are sure of them."""

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models.energy import (
    Thinking,
    candidate_energy,
    draw_start,
    encode,
    largest_energy,
    last_energy,
    mean_energy,
    ranking_loss,
    step_energies,
    think,
    token_energies,
    token_rises,
)


def test_energies_are_those_of_sure_candidates(make):
    model, params = make("sliding")
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 6)))
    segments = jnp.asarray([[1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 0, 0]])
    found = jax.jit(token_energies, static_argnums=0)(
        model, params, jnp.where(segments > 0, tokens, 10**6), segments
    )
    sure = 1e4 * jax.nn.one_hot(jnp.roll(tokens, -1, axis=1), 11)
    context = encode(model, params, tokens, segments)
    expected = candidate_energy(model, params, context, sure, jnp.full(2, 1))
    expected = np.roll(expected, 1, axis=1)
    expected[:, 0] = expected[0, 3] = 0
    expected[1, 4:] = 0
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.std(found) > 0.1


def test_a_rise_is_measured_from_where_thinking_arrives(make):
    model, params = make("sliding")
    thinking = Thinking(steps=3, init_scale=0.3)
    tokens = jnp.asarray(np.random.default_rng(1).integers(0, 11, (2, 6)))
    segments = jnp.asarray([[1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 0, 0]])
    start = draw_start(model, thinking, jax.random.split(jax.random.key(0), 2), 6)
    found = jax.jit(token_rises, static_argnums=(0, 5))(
        model, params, jnp.where(segments > 0, tokens, 10**6), segments, start, thinking
    )
    context = encode(model, params, tokens, segments)
    end = think(model, params, context, start, thinking).candidates
    arrived = np.roll(candidate_energy(model, params, context, end, jnp.full(2, 2)), 1, axis=1)
    expected = token_energies(model, params, tokens, segments) - arrived
    follows = np.array([[0, 1, 1, 0, 1, 1], [0, 1, 1, 1, 0, 0]], bool)
    np.testing.assert_allclose(found, np.where(follows, expected, 0), atol=1e-5)
    assert np.std(found[follows]) > 0.1


def test_scores_of_rows_and_steps_by_hand():
    energies = jnp.asarray([[9.0, 1.0, 3.0, 2.0, jnp.nan], [9.0, 5.0, 7.0, 7.0, 7.0]])
    mask = jnp.asarray([[False, True, True, True, False], [False] * 5])
    np.testing.assert_array_equal(mean_energy(energies, mask), [2, 0])
    np.testing.assert_array_equal(largest_energy(energies, mask), [3, 0])
    np.testing.assert_array_equal(last_energy(energies, mask), [2, 0])
    steps = jnp.asarray([[-1, 0, 0, 1, -1], [-1, 0, 1, 1, 1]])
    np.testing.assert_array_equal(step_energies(energies, steps, 3), [[2, 2, 0], [5, 7, 0]])


def test_a_pair_in_the_right_order_costs_less():
    losses = ranking_loss(jnp.asarray([0.0, -2.0, 2.0]), jnp.zeros(3))
    np.testing.assert_allclose(losses, np.log([2, 1 + np.exp(-2), 1 + np.exp(2)]), rtol=1e-6)
