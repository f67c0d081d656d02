"""The largest curvature against eigenvalues of whole Hessians; steps that it keeps in bounds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.energy import (
    Thinking,
    candidate_energy,
    draw_start,
    encode,
    largest_curvature,
    think,
    think_within_curvature,
    within_curvature,
)

THINKING = Thinking(steps=1, init_scale=1.0)


@pytest.fixture
def scene(make):
    model, params = make("plain", step_size=1.0)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 3)))
    keys = jax.random.split(jax.random.key(0), 2)
    start = draw_start(model, THINKING, keys, 3)
    return model, params, encode(model, params, tokens), start


@pytest.mark.slow
def test_power_iteration_finds_the_largest_eigenvalue(scene):
    model, params, context, start = scene
    steps = jnp.zeros(2, jnp.int32)

    def of(y, row, position):
        candidates = start.candidates.at[row, position].set(y)
        return candidate_energy(model, params, context, candidates, steps)[row, position]

    found = jax.jit(functools.partial(largest_curvature, model), static_argnums=5)(
        params, context, start.candidates, steps, start.keys, 60
    )
    hessian = jax.jit(jax.hessian(of), static_argnums=(1, 2))
    for row, position in ((0, 0), (1, 2)):
        eigenvalues = np.linalg.eigvalsh(hessian(start.candidates[row, position], row, position))
        largest = np.abs(eigenvalues).max()
        np.testing.assert_allclose(found[row, position], largest, rtol=0.02)


def test_a_step_that_would_climb_is_cut_to_one_that_descends(scene):
    model, params, context, start = scene
    params = params | {"step_size": jnp.float32(3000.0)}
    wild = jax.jit(functools.partial(think, model), static_argnums=3)
    tame = jax.jit(functools.partial(think_within_curvature, model, iterations=8), static_argnums=3)
    climbs = wild(params, context, start, THINKING).energies
    falls = tame(params, context, start, THINKING).energies
    assert (np.diff(falls, axis=0) < 0).all()
    assert (
        np.diff(falls, axis=0).sum() < np.diff(climbs, axis=0).sum()
        or (climbs[1] > climbs[0]).any()
    )


def test_small_steps_stay_as_they_are(scene):
    _, params, _, start = scene
    curvature = jnp.asarray([[0.1, 1e6, 0.0], [0.5, 0.5, 4.0]])
    capped = within_curvature(params, start, curvature, limit=1.0)
    np.testing.assert_allclose(capped.step_scales, [[1, 1e-6, 1], [1, 1, 0.25]])
    with pytest.raises(ValueError, match="limit is 2"):
        within_curvature(params, start, curvature, limit=2.0)
