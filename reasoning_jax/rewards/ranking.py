"""Qwen2.5-Math's listwise reward model over groups of samples (arXiv 2409.12122).

All over a batch of rows in groups: ``scores`` [B], ``right`` [B] bool, ``group_ids`` [B] and
``row_mask`` [B] of Rollouts. Pairs are compared over all rows, [B, B].
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def group_pairs(right: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """[B, B] float32 weight of the pair (right row i, wrong row j) of one group.

    1 / (k (n - k)) of a group with k right rows of n, divided by the number of groups that have
    a pair, so that all weights sum to 1 or 0.
    """
    same = group_ids[:, None] == group_ids[None, :]
    pairs = same & (right & row_mask)[:, None] & (~right & row_mask)[None, :]
    of_row = pairs.sum(axis=1)
    of_group = (same * of_row[None, :]).sum(axis=1)  # a row's group has so many pairs
    share = jnp.where(pairs, 1 / jnp.maximum(of_group, 1)[:, None], 0)
    # Each group with a pair contributes 1 to the sum of shares.
    return (share / jnp.maximum(share.sum(), 1)).astype(jnp.float32)


def group_ranking_loss(scores: jax.Array, pairs: jax.Array) -> jax.Array:
    """Σ weight · -log sigmoid(s_i - s_j) over ``group_pairs``; a scalar."""
    gaps = _gaps(scores, pairs)
    return jnp.where(pairs > 0, -jax.nn.log_sigmoid(gaps) * pairs, 0).sum()


def ranking_slopes(scores: jax.Array, pairs: jax.Array) -> jax.Array:
    """d ``group_ranking_loss`` / d scores, [B], without gradient.

    Σ slope · score has the gradient of the loss at these scores, and is a sum over rows: it may
    be cut into micro-batches, which the pairs may not.
    """
    pull = jnp.where(pairs > 0, -jax.nn.sigmoid(-_gaps(scores, pairs)) * pairs, 0)
    return jax.lax.stop_gradient(pull.sum(axis=1) - pull.sum(axis=0))


def ranking_accuracy(scores: jax.Array, pairs: jax.Array) -> jax.Array:
    """Weight of the pairs whose right row scores higher, a scalar in [0, 1]."""
    return jnp.where(_gaps(scores, pairs) > 0, pairs, 0).sum()


def _gaps(scores: jax.Array, pairs: jax.Array) -> jax.Array:
    used = (pairs > 0).any(axis=1) | (pairs > 0).any(axis=0)
    scores = jnp.where(used, at_least_float32(scores), 0)
    return scores[:, None] - scores[None, :]
