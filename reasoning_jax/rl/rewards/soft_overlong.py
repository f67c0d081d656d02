"""DAPO's soft overlong punishment (arXiv 2503.14476, equation 13)."""

import jax
import jax.numpy as jnp


def soft_overlong(lengths: jax.Array, *, max_length: int, cache: int) -> jax.Array:
    """Penalty to add to the reward: 0 up to max_length - cache tokens, then linear to -1.

    Args:
      lengths: [B] response lengths in tokens.
      max_length: length at and beyond which the penalty is -1.
      cache: length of the linear part.

    Returns:
      [B] float32 in [-1, 0].

    Raises:
      ValueError: ``cache`` is not in (0, max_length].
    """
    if not 0 < cache <= max_length:
        raise ValueError(
            f"cache is {cache}; it must lie above 0 and within max_length {max_length}"
        )
    over = jnp.asarray(lengths) - (max_length - cache)
    return -jnp.clip(over.astype(jnp.float32) / cache, 0, 1)
