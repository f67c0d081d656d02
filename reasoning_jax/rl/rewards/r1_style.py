"""DeepSeek-R1-Zero's rule reward, as commonly reimplemented (arXiv 2501.12948, section 2.2.2)."""

import jax

from reasoning_jax.rl.numerics import at_least_float32


def r1_style(accuracy: jax.Array, formatting: jax.Array) -> jax.Array:
    """Accuracy + format reward, both [B] in [0, 1], unweighted: the paper gives no weights."""
    return at_least_float32(accuracy) + at_least_float32(formatting)
