"""Completions of an update laid side by side into shared rows, so that padding costs little.

Only the model sees shared rows. Advantages, losses and metrics stay in the frame [B, T] of
Rollouts, into which the scores are put back, so that no function of RL knows of packing.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from reasoning_jax.models import TokenScores, Transformer, token_logprobs_and_balance
from reasoning_jax.text.packing import first_fit_decreasing
from reasoning_jax.types import Rollouts

# The rows of a program are a multiple of this share of the completions: few programs.
SHARE = 16


@struct.dataclass
class PackedRollouts:
    """N rows of C tokens that hold B completions; both axes are cut into micro-batches alike.

    Attributes:
      tokens: [N, C] int32, 0 in padding.
      owners: [N, C] int32, 1 + the completion of a token, counted within its micro-batch; 0 in
        padding.
      scored: [N, C] bool, True on tokens that the policy sampled.
      rows, starts: [B] int32, where the first token of a completion lies: its row, counted within
        its micro-batch, and its column.
    """

    tokens: jax.Array
    owners: jax.Array
    scored: jax.Array
    rows: jax.Array
    starts: jax.Array


def pack_rollouts(
    tokens: np.ndarray,
    lengths: np.ndarray,
    mask: np.ndarray,
    *,
    row_tokens: int,
    micro_batches: int = 1,
    ways: int = 1,
) -> PackedRollouts:
    """Packs completions [B, T] first fit, longest first, each micro-batch on its own.

    Micro-batch m of M holds the completions, and the rows, m, m + M, ...

    Args:
      row_tokens: tokens of a row; those of the longest completion where that is more.
      ways: devices that share the rows.
    """
    capacity = max(row_tokens, int(lengths.max()))
    parts = [np.arange(m, len(lengths), micro_batches) for m in range(micro_batches)]
    bins = [first_fit_decreasing(lengths[part], capacity) for part in parts]
    step = ways * max(1, len(parts[0]) // (ways * SHARE))
    per_part = -(-max(map(len, bins)) // step) * step
    packed = PackedRollouts(
        tokens=np.zeros((per_part * micro_batches, capacity), np.int32),
        owners=np.zeros((per_part * micro_batches, capacity), np.int32),
        scored=np.zeros((per_part * micro_batches, capacity), bool),
        rows=np.zeros(len(lengths), np.int32),
        starts=np.zeros(len(lengths), np.int32),
    )
    for m, (part, bins_of_part) in enumerate(zip(parts, bins)):
        for row, members in enumerate(bins_of_part):
            start = 0
            for member in members:
                completion, length = part[member], lengths[part[member]]
                place = row * micro_batches + m, slice(start, start + length)
                packed.tokens[place] = tokens[completion, :length]
                packed.owners[place] = 1 + member
                packed.scored[place] = mask[completion, :length]
                packed.rows[completion], packed.starts[completion] = row, start
                start += length
    return packed


def within(rollouts: Rollouts) -> jax.Array:
    """[B, T] bool, the tokens of rows that take part: prompt and response, no padding."""
    columns = jnp.arange(rollouts.tokens.shape[1])
    return (columns < rollouts.lengths[:, None]) & rollouts.row_mask[:, None]


def score_rollouts(
    model: Transformer,
    params: dict,
    rollouts: Rollouts,
    packed: PackedRollouts | None,
    temperature: float,
) -> tuple[TokenScores, jax.Array]:
    """TokenScores [B, T] of what the policy sampled, 0 elsewhere, and the routers' balance.

    Args:
      packed: the same completions in shared rows; None runs each in a row of its own.
    """
    if packed is None:
        return token_logprobs_and_balance(
            model,
            params,
            rollouts.tokens,
            within(rollouts),
            scored=rollouts.mask,
            temperature=temperature,
        )
    taking_part = jnp.take(rollouts.row_mask, jnp.maximum(packed.owners - 1, 0))
    scores, balance = token_logprobs_and_balance(
        model,
        params,
        packed.tokens,
        (packed.owners > 0) & taking_part,
        segment_ids=packed.owners,
        scored=packed.scored,
        temperature=temperature,
    )
    first_B = packed.rows * packed.tokens.shape[1] + packed.starts
    index_BxT = first_B[:, None] + jnp.arange(rollouts.tokens.shape[1])

    def put_back(score: jax.Array) -> jax.Array:
        return jnp.where(rollouts.mask, jnp.take(score.reshape(-1), index_BxT, mode="clip"), 0)

    return jax.tree.map(put_back, scores), balance
