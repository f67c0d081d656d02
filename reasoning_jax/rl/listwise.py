"""Ranking loss of scores of right and wrong candidates (arXiv 2409.12122)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def listwise_loss(scores: jax.Array, right: jax.Array, mask: jax.Array) -> jax.Array:
    """-Σ log sigmoid(s_i - s_j) / (pairs) over right i and wrong j of a row; [B, N] -> [B].

    0 where a row has no pair. Of whole responses it trains Qwen2.5-Math's reward model, of steps
    with two right and two wrong ones rStar-Math's preference model (arXiv 2501.04519).
    """
    scores = jnp.where(mask, at_least_float32(scores), 0)
    pairs = (right & mask)[:, :, None] & (~right & mask)[:, None, :]
    gaps = scores[:, :, None] - scores[:, None, :]
    losses = jnp.where(pairs, -jax.nn.log_sigmoid(gaps), 0).sum(axis=(1, 2))
    return losses / jnp.maximum(pairs.sum(axis=(1, 2)), 1)
