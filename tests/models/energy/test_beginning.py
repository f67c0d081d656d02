"""Drafts are the decoder's own predictions, what a support leaves out stays out, steps descend."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.energy import (
    Draft,
    Learned,
    Likeliest,
    Noise,
    Thinking,
    Vocabulary,
    WithinCurvature,
    begin,
    candidate_energy,
    draw_start,
    encode,
    largest_curvature,
    think,
)
from reasoning_jax.models.energy.thinking import energy_slope

THINKING = Thinking(steps=2, init_scale=0.1)
run = jax.jit(think, static_argnums=(0, 4))
prepare = jax.jit(begin, static_argnums=(0, 5))


def scene_of(make, name="plain", **options):
    model, params = make(name, **options)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 4)))
    start = draw_start(model, THINKING, jax.random.split(jax.random.key(0), 2), 4)
    return model, params, tokens, start


def test_a_draft_lies_under_the_noise_and_a_support_is_kept(make):
    model, params, tokens, start = scene_of(make)
    plain = jax.jit(model.decoder.apply)({"params": params["decoder"]}, tokens)
    draft = np.asarray(jax.nn.log_softmax(plain))
    few = dataclasses.replace(THINKING, start=Draft(scale=0.5), support=Likeliest(k=3))

    @jax.jit
    def run_few(params):
        begun = begin(model, params, tokens, None, start, few)
        return begun, think(model, params, encode(model, params, tokens), begun, THINKING)

    begun, thoughts = run_few(params)
    likeliest = np.argsort(-draft, axis=-1)[..., :3]
    inside = np.zeros(draft.shape, bool)
    np.put_along_axis(inside, likeliest, True, axis=-1)
    under = np.where(inside, start.candidates + draft / 2, -np.inf)
    np.testing.assert_allclose(begun.candidates, under, atol=1e-5)
    np.testing.assert_array_equal(begun.step_scales, start.step_scales)
    probs = np.asarray(jax.nn.softmax(thoughts.candidates))
    np.testing.assert_array_equal(probs > 0, inside)
    assert np.isfinite(thoughts.energies).all()
    moved = np.asarray(thoughts.candidates)[inside] - under[inside]
    assert (np.abs(moved) > 1e-6).any()
    np.testing.assert_array_equal(Likeliest(k=99)(draft, draft), draft)


def test_noise_every_token_and_learned_sizes_change_nothing(make):
    model, params, tokens, start = scene_of(make)
    same = begin(model, params, tokens, None, start, THINKING)
    assert same.candidates is start.candidates and same.step_scales is start.step_scales
    assert (
        Thinking(steps=2, init_scale=0.1, start=Noise(), support=Vocabulary(), size_rule=Learned())
        == THINKING
    )
    assert hash(THINKING) == hash(dataclasses.replace(THINKING))


@pytest.mark.slow
def test_steps_far_too_large_are_cut_to_ones_that_descend(make):
    one = Thinking(steps=1, init_scale=1.0, size_rule=WithinCurvature(iterations=8))
    model, params, tokens, _ = scene_of(make, step_size=1.0)
    start = draw_start(model, one, jax.random.split(jax.random.key(0), 2), 4)
    params = params | {"step_size": jnp.float32(3000.0)}
    context = encode(model, params, tokens)
    capped = prepare(model, params, tokens, None, start, one)
    assert (capped.step_scales < 1).all()
    before, after = run(model, params, context, capped, one).energies
    assert (after < before).all()
    small = params | {"step_size": jnp.float32(1e-3)}
    capped = prepare(model, small, tokens, None, start, one)
    np.testing.assert_array_equal(capped.step_scales, start.step_scales)


def test_a_cap_is_the_limit_over_the_curvature():
    curvatures = jnp.asarray([0.1, 1e6, 0.0, 4.0])

    def slope(y):
        return curvatures[:, None] * (y - y.mean(axis=-1, keepdims=True))

    zeros = jnp.zeros((4, 3))
    directions = jax.random.normal(jax.random.key(0), (4, 3))
    rule = WithinCurvature(limit=1.0, iterations=2)
    found = rule(jnp.float32(1.0), jnp.ones(4), slope, zeros, directions)
    np.testing.assert_allclose(found, [1, 1e-6, 1, 0.25], rtol=1e-5)


@pytest.mark.slow
def test_power_iteration_finds_the_largest_eigenvalue(make):
    model, params, tokens, start = scene_of(make, step_size=1.0)
    context, steps = encode(model, params, tokens), jnp.zeros(2, jnp.int32)

    def of(y, row, position):
        candidates = start.candidates.at[row, position].set(y)
        return candidate_energy(model, params, context, candidates, steps)[row, position]

    @functools.partial(jax.jit, static_argnums=1)
    def estimate(candidates, iterations):
        directions = jax.random.normal(jax.random.key(1), candidates.shape)
        return largest_curvature(
            lambda y: energy_slope(model, params, context, y, steps)[0],
            candidates,
            directions,
            iterations,
        )

    found = estimate(start.candidates, 60)
    hessian = jax.jit(jax.hessian(of), static_argnums=(1, 2))
    for row, position in ((0, 0), (1, 2)):
        eigenvalues = np.linalg.eigvalsh(hessian(start.candidates[row, position], row, position))
        largest = np.abs(eigenvalues).max()
        np.testing.assert_allclose(found[row, position], largest, rtol=0.02)


def test_what_cannot_be_begun_with():
    with pytest.raises(ValueError, match="k is 0"):
        Likeliest(k=0)
    with pytest.raises(ValueError, match="limit is 2"):
        WithinCurvature(limit=2.0)
    with pytest.raises(ValueError, match="iterations is 0"):
        WithinCurvature(iterations=0)
