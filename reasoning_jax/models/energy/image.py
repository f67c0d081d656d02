"""Energies of whole images: denoising by descent, beside a denoiser in one pass.

Both run the decoder's layers over patches, every patch seeing all others (DiT, arXiv:2212.09748).
The energy model scores a candidate beside the noisy image, and its pixels descend
(arXiv:2507.02092, section on image denoising); the baseline says the clean image at once.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from reasoning_jax.models.attention import masked_softmax
from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.energy.thinking import SMALLEST_STEP
from reasoning_jax.models.parameters import init_params
from reasoning_jax.models.transformer import Block, Transformer, rope_tables, select


@dataclasses.dataclass(frozen=True)
class ImageModel:
    """Layers over the patches of square images.

    Attributes:
      config: of the layers; its vocabulary is not used.
      size: pixels of a side.
      patch: pixels of a side of a patch.
    """

    config: ModelConfig
    size: int
    patch: int

    def __post_init__(self):
        if self.size % self.patch:
            raise ValueError(
                f"patch is {self.patch}, which does not divide the {self.size} pixels of a side"
            )
        if any(self.config.slides):
            raise ValueError("sliding_layers are set, but every patch sees all others; unset them")

    @property
    def patches(self) -> int:
        """Of an image."""
        return (self.size // self.patch) ** 2


def init_image_params(
    model: ImageModel, key: jax.Array, *, landscapes: int = 2, step_size: float = 10.0
) -> dict:
    """Fresh parameters of both kinds of model, float32.

    ``energy_head`` [M, 1], ``candidate`` [P, M], ``landscapes`` [landscapes, M] and ``step_size``
    are the energy model's, ``pixel_head`` [M, P], zero at first, the denoiser's.
    """
    layers, noisy, candidate, position, head = jax.random.split(key, 5)
    m, p = model.config.d_model, model.patch**2
    decoder = init_params(dataclasses.replace(model.config, vocab_size=1), layers)

    def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return shape[0] ** -0.5 * jax.random.normal(key, shape)

    return {
        "decoder": decoder,
        "noisy": normal(noisy, (p, m)),
        "candidate": normal(candidate, (p, m)),
        "position": 0.02 * jax.random.normal(position, (model.patches, m)),
        "landscapes": jnp.zeros((landscapes, m)),
        "energy_head": normal(head, (m, 1)),
        "pixel_head": jnp.zeros((m, p)),
        "step_size": jnp.float32(step_size),
    }


def image_energy(
    model: ImageModel, params: dict, noisy: jax.Array, candidate: jax.Array, step: jax.Array
) -> jax.Array:
    """Energy [B] of candidates [B, H, W] for what lies under noisy images [B, H, W].

    Args:
      step: of thinking, which chooses the landscape; later ones are the last again.
    """
    landscape = jnp.minimum(step, len(params["landscapes"]) - 1)
    x = to_patches(model, noisy) @ params["noisy"]
    x = x + to_patches(model, candidate) @ params["candidate"]
    x = _trunk(model, params, x + params["landscapes"][landscape])
    return jnp.sum(x @ params["energy_head"], axis=(1, 2))


class Denoised(NamedTuple):
    """Along thinking.

    Attributes:
      images: [steps + 1, B, H, W], the noisy ones first.
      energies: [steps, B] before each step.
    """

    images: jax.Array
    energies: jax.Array


def denoise_by_descent(model: ImageModel, params: dict, noisy: jax.Array, steps: int) -> Denoised:
    """Descends from the noisy image; no gradient passes between steps."""

    def refine(image: jax.Array, step: jax.Array):
        def total(image: jax.Array) -> tuple[jax.Array, jax.Array]:
            energies = image_energy(model, params, noisy, image, step)
            return jnp.sum(energies), energies

        image = jax.lax.stop_gradient(image)
        slope, energies = jax.grad(total, has_aux=True)(image)
        size = jnp.maximum(params["step_size"], SMALLEST_STEP)
        moved = image - size * slope
        return moved, (moved, energies)

    _, (images, energies) = jax.lax.scan(refine, noisy, jnp.arange(steps))
    return Denoised(jnp.concatenate([noisy[None], images]), energies)


def denoise_at_once(model: ImageModel, params: dict, noisy: jax.Array) -> jax.Array:
    """The baseline: clean images [B, H, W] from one pass, as a change of the noisy ones."""
    x = _trunk(model, params, to_patches(model, noisy) @ params["noisy"])
    return noisy + from_patches(model, x @ params["pixel_head"])


def smooth_l1(found: jax.Array, clean: jax.Array) -> jax.Array:
    """Mean over pixels of d²/2 where |d| < 1, else |d| - 1/2."""
    d = jnp.abs(found - clean)
    return jnp.mean(jnp.where(d < 1, 0.5 * d * d, d - 0.5))


def psnr(found: jax.Array, clean: jax.Array) -> jax.Array:
    """Peak signal-to-noise ratio in dB over all pixels, of a range of 1."""
    return -10 * jnp.log10(jnp.mean(jnp.square(found - clean)))


def to_patches(model: ImageModel, images: jax.Array) -> jax.Array:
    """[B, H, W] -> [B, N, P]."""
    n, p = model.size // model.patch, model.patch
    return images.reshape(-1, n, p, n, p).swapaxes(2, 3).reshape(-1, n * n, p * p)


def from_patches(model: ImageModel, patches: jax.Array) -> jax.Array:
    """[B, N, P] -> [B, H, W]."""
    n, p = model.size // model.patch, model.patch
    return patches.reshape(-1, n, n, p, p).swapaxes(2, 3).reshape(-1, n * p, n * p)


def _trunk(model: ImageModel, params: dict, x: jax.Array) -> jax.Array:
    """Patches [B, N, M] through the layers and the final norm; each sees all."""
    c = model.config
    x = x + params["position"]
    positions = jnp.broadcast_to(jnp.arange(model.patches), x.shape[:2])
    table = select(False, rope_tables(c, positions))

    def attend(q: jax.Array, k: jax.Array, v: jax.Array):
        b, t, h, d = q.shape
        grouped = q.reshape(b, t, k.shape[2], h // k.shape[2], d)
        scores = jnp.einsum("btkgd,bskd->bkgts", grouped, k, preferred_element_type=jnp.float32)
        weights = masked_softmax(scores, jnp.bool_(True), c.attention_scale, c.attention_softcap)
        out = jnp.einsum("bkgts,bskd->btkgd", weights.astype(v.dtype), v)
        return out.reshape(b, t, h, d), None

    def layer(x: jax.Array, block_params: dict):
        return Block(c).apply({"params": block_params}, x, table, attend)[0], None

    decoder = params["decoder"]
    x, _ = jax.lax.scan(layer, x, decoder["layers"]["block"], unroll=c.n_layers)
    one = dataclasses.replace(c, vocab_size=1)
    return Transformer(one).apply({"params": decoder}, x, method="normalize")
