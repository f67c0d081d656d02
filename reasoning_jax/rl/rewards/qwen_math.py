"""Qwen2.5-Math's reward, a model's score under a verdict (arXiv 2409.12122)."""

import jax

from reasoning_jax.rl.numerics import at_least_float32


def shaped_by_verdict(scores: jax.Array, correct: jax.Array, *, alpha: float = 0.5) -> jax.Array:
    """sigmoid(α score) + (correct - 1), [B]: in (0, 1) where right, in (-1, 0) where wrong."""
    return jax.nn.sigmoid(alpha * at_least_float32(scores)) + at_least_float32(correct) - 1
