"""Energies of images: each its own, all patches seen, descent that differentiates step by step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import preset
from reasoning_jax.models.energy.image import (
    ImageModel,
    denoise_at_once,
    denoise_by_descent,
    from_patches,
    image_energy,
    init_image_params,
    psnr,
    smooth_l1,
    to_patches,
)
from reasoning_jax.studies.denoising import Denoising, render, run

TINY = {"d_model": 16, "n_heads": 2, "n_kv_heads": 1, "head_dim": 8, "d_ff": 16}
MODEL = ImageModel(preset("nano", 1, TINY), size=8, patch=4)


@pytest.fixture(scope="module")
def params():
    return init_image_params(MODEL, jax.random.key(0), step_size=0.5)


def images(seed, count=2):
    return jnp.asarray(np.random.default_rng(seed).random((count, 8, 8)), jnp.float32)


def test_patches_are_the_image_cut_and_pasted():
    x = images(0)
    patches = to_patches(MODEL, x)
    np.testing.assert_array_equal(patches[1, 2].reshape(4, 4), x[1, 4:, :4])
    np.testing.assert_array_equal(from_patches(MODEL, patches), x)
    with pytest.raises(ValueError, match="patch is 3"):
        ImageModel(MODEL.config, 8, 3)


def test_an_energy_is_of_one_image_and_sees_all_of_it(params):
    noisy, candidate = images(0), images(1)
    energy = jax.jit(lambda n, c: image_energy(MODEL, params, n, c, jnp.int32(0)))
    alone = energy(noisy[:1], candidate[:1])
    np.testing.assert_allclose(energy(noisy, candidate)[0], alone[0], rtol=1e-5)
    of_candidate, of_noisy = jax.jit(
        jax.grad(lambda c, n: image_energy(MODEL, params, n, c, jnp.int32(0)).sum(), (0, 1))
    )(candidate, noisy)
    for slope in (of_candidate, of_noisy):
        assert (np.abs(to_patches(MODEL, slope)).max(axis=-1) > 0).all()


@pytest.mark.slow
def test_steps_are_descent_and_differentiated_one_by_one(params):
    noisy = images(2)
    found = jax.jit(lambda p: denoise_by_descent(MODEL, p, noisy, 2))(params)
    slope = jax.grad(lambda c: image_energy(MODEL, params, noisy, c, jnp.int32(1)).sum())
    expected = found.images[1] - 0.5 * slope(found.images[1])
    np.testing.assert_allclose(found.images[2], expected, atol=1e-5)

    def last(params):
        return smooth_l1(denoise_by_descent(MODEL, params, noisy, 2).images[2], images(3))

    def one_step(params):
        slope = jax.grad(lambda c: image_energy(MODEL, params, noisy, c, jnp.int32(1)).sum())
        moved = found.images[1] - params["step_size"] * slope(found.images[1])
        return smooth_l1(moved, images(3))

    for a, b in zip(
        jax.tree.leaves(jax.grad(last)(params)), jax.tree.leaves(jax.grad(one_step)(params))
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_losses_by_hand_and_a_denoiser_that_begins_with_no_change(params):
    assert smooth_l1(jnp.asarray([[[0.5, 3.0]]]), jnp.zeros((1, 1, 2))) == (0.125 + 2.5) / 2
    np.testing.assert_allclose(psnr(jnp.full((1, 2, 2), 0.1), jnp.zeros((1, 2, 2))), 20, rtol=1e-5)
    np.testing.assert_array_equal(denoise_at_once(MODEL, params, images(4)), images(4))


def test_rendered_images_differ_and_lie_in_range():
    drawn = render(np.random.default_rng(0), 20, 16)
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert len({image.tobytes() for image in drawn}) == 20
    np.testing.assert_array_equal(drawn, render(np.random.default_rng(0), 20, 16))


@pytest.mark.slow
def test_both_take_noise_away():
    rows = run(dataclasses.replace(Denoising(), updates=200, images=64, tested=(0.1,)), seed=0)
    found = {(row["who"], row["thoughts"]): row["psnr"] for row in rows}
    assert found["denoiser", 1] > found["noisy", 0] + 1
    assert found["energy", 2] > found["noisy", 0] + 1
