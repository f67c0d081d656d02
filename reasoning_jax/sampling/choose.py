"""Choosing the next token from logits: no sort, one uniform number per row."""

import jax
import jax.numpy as jnp

_BLOCK = 128
_BISECTIONS = 30


def greedy(logits_BxV: jax.Array) -> jax.Array:
    """Most likely token of each row, [B] int32."""
    return jnp.argmax(logits_BxV, axis=-1).astype(jnp.int32)


def sample(
    logits_BxV: jax.Array, uniform_B: jax.Array, *, top_k: int = 0, top_p: float = 1.0
) -> jax.Array:
    """Draws from softmax(logits) restricted to top-k, then top-p, ties all kept; [B] int32.

    Args:
      logits_BxV: already divided by the temperature; -inf is never drawn.
      uniform_B: numbers in [0, 1).
    """
    probs = jax.nn.softmax(logits_BxV, axis=-1)
    if top_k:
        kth = jax.lax.top_k(logits_BxV, min(top_k, logits_BxV.shape[-1]))[0][:, -1:]
        probs = jnp.where(logits_BxV >= kth, probs, 0)
        probs = probs / probs.sum(axis=-1, keepdims=True)
    if top_p < 1:
        probs = jnp.where(probs >= nucleus_threshold(probs, top_p), probs, 0)
    return inverse_cdf(probs, uniform_B)


def nucleus_threshold(probs_BxV: jax.Array, top_p: float) -> jax.Array:
    """Largest t [B, 1] with mass{probs >= t} >= top_p, by bisection; ties are all kept."""

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        mass = jnp.where(probs_BxV >= middle, probs_BxV, 0).sum(axis=-1, keepdims=True)
        enough = mass >= top_p
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    high = probs_BxV.max(axis=-1, keepdims=True)
    return jax.lax.fori_loop(0, _BISECTIONS, halve, (jnp.zeros_like(high), high))[0]


def inverse_cdf(weights_BxV: jax.Array, uniform_B: jax.Array) -> jax.Array:
    """First index whose cumulative weight exceeds uniform * total; never a zero weight.

    Two levels (blocks, then inside one block), so that a large vocabulary costs one pass.
    """
    b, v = weights_BxV.shape
    if v <= 2 * _BLOCK:
        return _first_above(weights_BxV, uniform_B * weights_BxV.sum(axis=-1))
    weights = jnp.pad(weights_BxV, ((0, 0), (0, -v % _BLOCK))).reshape(b, -1, _BLOCK)
    mass_BxN = weights.sum(axis=-1)
    target_B = uniform_B * mass_BxN.sum(axis=-1)
    block_B = _first_above(mass_BxN, target_B)
    before_BxN = jnp.cumsum(mass_BxN, axis=-1) - mass_BxN
    inside_B = target_B - jnp.take_along_axis(before_BxN, block_B[:, None], axis=1)[:, 0]
    chosen_BxC = jnp.take_along_axis(weights, block_B[:, None, None], axis=1)[:, 0]
    return block_B * _BLOCK + _first_above(chosen_BxC, inside_B)


def _first_above(weights_BxN: jax.Array, target_B: jax.Array) -> jax.Array:
    # Selected by the weights, not by the sums alone: summed in parallel, those may round up
    # where a weight is 0, and a target may lie below its block or beyond the very end.
    index_N = jnp.arange(weights_BxN.shape[-1], dtype=jnp.int32)
    positive = weights_BxN > 0
    above = positive & (jnp.cumsum(weights_BxN, axis=-1) > target_B[:, None])
    last = jnp.max(jnp.where(positive, index_N, 0), axis=-1, keepdims=True)
    return jnp.min(jnp.where(above, index_N, last), axis=-1)
