"""Denoising of rendered images by descent on an energy, beside a denoiser in one pass.

Both models have the same layers, data, optimiser and number of updates (arXiv:2507.02092 against
DiT); they are asked at the noise of training and beyond it, the energy model after more and
fewer thoughts than it was trained with.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reasoning_jax.models import preset
from reasoning_jax.models.energy.image import (
    ImageModel,
    denoise_at_once,
    denoise_by_descent,
    init_image_params,
    psnr,
    smooth_l1,
)


@dataclasses.dataclass(frozen=True)
class Denoising:
    """Settings of the study.

    Attributes:
      size, patch: pixels of a side of an image, and of a patch.
      model: a preset; its layers are used.
      thoughts: of training.
      noise: standard deviation of training, where pixels lie in [0, 1].
      tested: standard deviations asked at.
      asked: numbers of thoughts asked at.
      updates, rows, rate: of training.
      step_size, step_size_rate: first step size, and its learning rate over that of the others.
      images: held out.
    """

    size: int = 16
    patch: int = 4
    model: str = "nano"
    thoughts: int = 2
    noise: float = 0.1
    tested: tuple[float, ...] = (0.1, 0.2, 0.3)
    asked: tuple[int, ...] = (1, 2, 4, 8)
    updates: int = 400
    rows: int = 32
    rate: float = 1e-3
    step_size: float = 0.1
    step_size_rate: float = 1.0
    images: int = 256


def render(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """[count, size, size] float32 in [0, 1]: a shaded ground with one to three shapes on it."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    images = np.empty((count, size, size), np.float32)
    for image in images:
        slope = rng.uniform(-0.3, 0.3, 2)
        canvas = 0.5 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5)
        for _ in range(rng.integers(1, 4)):
            centre, reach, shade = rng.uniform(0.1, 0.9, 2), rng.uniform(0.12, 0.4), rng.random()
            dx, dy = x - centre[0], y - centre[1]
            if rng.random() < 0.5:
                inside = dx**2 + dy**2 < reach**2
            else:
                turn = rng.uniform(0, np.pi)
                u = np.cos(turn) * dx + np.sin(turn) * dy
                v = np.cos(turn) * dy - np.sin(turn) * dx
                inside = (np.abs(u) < reach) & (np.abs(v) < 0.6 * reach)
            canvas = np.where(inside, shade, canvas)
        image[:] = np.clip(canvas, 0, 1)
    return images


def run(settings: Denoising, seed: int) -> list[dict]:
    """Trains both models and asks them.

    Returns:
      Rows of ``noise``, ``who``, ``thoughts`` and ``psnr`` in dB; ``who`` is "noisy" for the images
      as they come, with 0 thoughts; those of the "denoiser" are passes, each over what the one
      before gave, the control of equal depth.

    Raises:
      RuntimeError: the energy model's loss is not finite; names its step size.
    """
    model = ImageModel(preset(settings.model, 1), settings.size, settings.patch)
    rng = np.random.default_rng((seed, 1))
    clean = jnp.asarray(render(rng, settings.images, settings.size))
    denoiser = train(model, settings, seed, _loss_at_once)
    thinker = train(model, settings, seed, _loss_by_descent)
    rows = []
    for noise in settings.tested:
        noisy = clean + noise * jnp.asarray(rng.normal(size=clean.shape), jnp.float32)
        passed = [noisy]
        for _ in range(max(settings.asked)):
            passed.append(_at_once(model, denoiser, passed[-1]))
        along = _by_descent(model, thinker, noisy, max(settings.asked))
        found = {("noisy", 0): noisy}
        for who, images in (("denoiser", passed), ("energy", along)):
            found |= {(who, t): images[t] for t in settings.asked}
        rows += [
            {"noise": noise, "who": who, "thoughts": t, "psnr": float(psnr(images, clean))}
            for (who, t), images in found.items()
        ]
    return rows


def train(model: ImageModel, settings: Denoising, seed: int, loss) -> dict:
    """Parameters after all updates; every kind of model sees the same images and noise."""
    params = init_image_params(
        model, jax.random.key(seed), landscapes=settings.thoughts, step_size=settings.step_size
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adam(optax.warmup_cosine_decay_schedule(0, settings.rate, 20, settings.updates)),
    )

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(params: dict, state, clean: jax.Array, noise: jax.Array):
        value, grads = jax.value_and_grad(loss, argnums=1)(
            model, params, clean, clean + noise, settings.thoughts
        )
        updates, state = optimizer.update(grads, state, params)
        updates["step_size"] = settings.step_size_rate * updates["step_size"]
        return optax.apply_updates(params, updates), state, value

    rng, state = np.random.default_rng((seed, 0)), optimizer.init(params)
    for step in range(settings.updates):
        clean = render(rng, settings.rows, settings.size)
        noise = settings.noise * rng.normal(size=clean.shape).astype(np.float32)
        params, state, value = update(params, state, clean, noise)
        if step % 50 == 0 and not np.isfinite(value):
            raise RuntimeError(
                f"the loss is {float(value)} at update {step} with a step size of "
                f"{float(params['step_size']):.4g}, {settings.step_size:g} at first; lower "
                "step_size or rate"
            )
    return params


def _loss_at_once(model: ImageModel, params: dict, clean, noisy, thoughts: int) -> jax.Array:
    return smooth_l1(denoise_at_once(model, params, noisy), clean)


def _loss_by_descent(model: ImageModel, params: dict, clean, noisy, thoughts: int) -> jax.Array:
    """Mean over the thoughts."""
    images = denoise_by_descent(model, params, noisy, thoughts).images[1:]
    return jnp.mean(jax.vmap(lambda image: smooth_l1(image, clean))(images))


@functools.partial(jax.jit, static_argnums=0)
def _at_once(model: ImageModel, params: dict, noisy: jax.Array) -> jax.Array:
    return denoise_at_once(model, params, noisy)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _by_descent(model: ImageModel, params: dict, noisy: jax.Array, thoughts: int) -> jax.Array:
    return denoise_by_descent(model, params, noisy, thoughts).images
