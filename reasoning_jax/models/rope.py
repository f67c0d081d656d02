"""Rotary position embedding in the rotate-half form, with the published frequency scalings."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models.config import RopeScaling


def frequencies(head_dim: int, theta: float, scaling: RopeScaling) -> tuple[np.ndarray, float]:
    """Angular frequency per pair [head_dim / 2], float64, and the multiplier of cos and sin."""
    exponent = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
    frequency = theta**-exponent
    if scaling.kind == "linear":
        return frequency / scaling.factor, 1.0
    if scaling.kind == "llama3":
        return _llama3(frequency, scaling), 1.0
    if scaling.kind == "yarn":
        return _yarn(frequency, head_dim, theta, scaling)
    return frequency, 1.0


def cos_sin(
    positions: jax.Array | np.ndarray, frequency: np.ndarray, multiplier: float
) -> tuple[jax.Array, jax.Array] | tuple[np.ndarray, np.ndarray]:
    """cos and sin of the angles, both [B, T, head_dim / 2] float32, for positions [B, T].

    Of NumPy positions they are NumPy arrays, worked out at once.
    """
    xp = np if isinstance(positions, np.ndarray) else jnp
    angle_BxTxF = positions[..., None].astype(jnp.float32) * xp.asarray(frequency, jnp.float32)
    return xp.cos(angle_BxTxF) * multiplier, xp.sin(angle_BxTxF) * multiplier


def rotate(x_BxTxHxD: jax.Array, cos_BxTxF: jax.Array, sin_BxTxF: jax.Array) -> jax.Array:
    """Rotates each pair (x[i], x[i + D/2]) by its angle; same shape and dtype as x."""
    cos = cos_BxTxF[:, :, None, :].astype(x_BxTxHxD.dtype)
    sin = sin_BxTxF[:, :, None, :].astype(x_BxTxHxD.dtype)
    first, second = jnp.split(x_BxTxHxD, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _llama3(frequency: np.ndarray, scaling: RopeScaling) -> np.ndarray:
    length = scaling.original_max_position
    wavelength = 2 * np.pi / frequency
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    blend = np.clip((length / wavelength - low) / (high - low), 0.0, 1.0)
    return (1 - blend) * frequency / scaling.factor + blend * frequency


def _yarn(
    frequency: np.ndarray, head_dim: int, theta: float, scaling: RopeScaling
) -> tuple[np.ndarray, float]:
    def pair_of(rotations: float) -> float:
        length = scaling.original_max_position
        return head_dim * math.log(length / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair_of(scaling.beta_fast)), 0)
    high = min(math.ceil(pair_of(scaling.beta_slow)), head_dim - 1)
    ramp = np.clip((np.arange(head_dim // 2) - low) / max(high - low, 1e-3), 0.0, 1.0)
    multiplier = scaling.attention_factor
    if multiplier is None:
        multiplier = 0.1 * math.log(scaling.factor) + 1.0 if scaling.factor > 1 else 1.0
    return frequency / scaling.factor * ramp + frequency * (1 - ramp), multiplier
