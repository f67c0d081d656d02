"""Log-probabilities of whole rows, with the most likely tokens beside them."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reasoning_jax.models import Transformer, score_logits
from reasoning_jax.parallel import batch_ways, put_batch, to_host
from reasoning_jax.serving.job import RowScores
from reasoning_jax.shapes import bucket

# Each is a program of its own.
_TOP = (1, 5, 20)
MAX_TOP = _TOP[-1]


@functools.partial(jax.jit, static_argnames=("model", "vocab_size", "top", "chunk"))
def top_logprobs(
    model: Transformer,
    params: dict,
    tokens_BxT: jax.Array,
    *,
    vocab_size: int,
    top: int,
    chunk: int = 128,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """log p(tokens[b, t] | tokens[b, <t]) as ``token_logprobs`` has it, and the best tokens there.

    The head runs over ``chunk`` time steps at once. Padding on the right changes nothing before
    it.

    Args:
      vocab_size: ids from here on are padding rows of the embedding and never among the best.
      top: how many of the best, k below.

    Returns:
      [B, T] float32, [B, T, k] ids, [B, T, k] float32; all 0 at position 0.
    """
    batch, length = tokens_BxT.shape
    hidden = model.apply({"params": params}, tokens_BxT, method="hidden")[:, :-1]
    targets = tokens_BxT[:, 1:]
    chunk = min(chunk, length - 1)
    room = -(length - 1) % chunk

    def pieces(x):
        x = jnp.pad(x, ((0, 0), (0, room)) + ((0, 0),) * (x.ndim - 2))
        return x.reshape(batch, -1, chunk, *x.shape[2:]).swapaxes(0, 1)

    def score(piece):
        hidden_BxCxM, targets_BxC = piece
        logits = model.apply({"params": params}, hidden_BxCxM, method="unembed")
        scores = score_logits(logits, targets_BxC)
        known = jnp.where(jnp.arange(logits.shape[-1]) < vocab_size, logits, -jnp.inf)
        best, ids = jax.lax.top_k(known, top)
        return scores.logprobs, ids, best - scores.logsumexp[..., None]

    scored = jax.lax.map(score, (pieces(hidden), pieces(targets)))

    def whole(x):
        x = x.swapaxes(0, 1).reshape(batch, -1, *x.shape[3:])[:, : length - 1]
        return jnp.pad(x, ((0, 0), (1, 0)) + ((0, 0),) * (x.ndim - 2))

    return tuple(whole(x) for x in scored)


class Scorer:
    """Scores rows of any length in batches of few shapes.

    Args:
      model: built for ``mesh``.
      params: on ``mesh``.
      vocab_size: of the tokenizer.
      max_tokens: most ids of a batch, padding included, where rows allow it.
    """

    def __init__(
        self, model: Transformer, params: dict, mesh: Mesh, vocab_size: int, max_tokens: int = 8192
    ):
        self._model = model
        self._params = params
        self._mesh = mesh
        self._vocab_size = vocab_size
        self._max_tokens = max_tokens

    def score(self, rows: Sequence[Sequence[int]], top: int) -> list[RowScores]:
        """Scores of each row, with at least ``top`` of the most likely tokens, at most MAX_TOP."""
        top = min(next(k for k in _TOP if k >= top), self._vocab_size)
        scores: list[RowScores | None] = [None] * len(rows)
        waiting = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        while waiting:
            length = bucket(max(2, len(rows[waiting[0]])))
            size = 1  # batches of 1, 4, 16 ... rows
            while size < len(waiting) and 4 * size * length <= self._max_tokens:
                size *= 4
            batch, waiting = waiting[:size], waiting[size:]
            tokens = np.zeros((size + -size % batch_ways(self._mesh), length), np.int32)
            for slot, i in enumerate(batch):
                tokens[slot, : len(rows[i])] = rows[i]
            outs = to_host(
                top_logprobs(
                    self._model,
                    self._params,
                    put_batch(tokens, self._mesh),
                    vocab_size=self._vocab_size,
                    top=top,
                )
            )
            for slot, i in enumerate(batch):
                scores[i] = RowScores(*(out[slot, : len(rows[i])] for out in outs))
        return scores
