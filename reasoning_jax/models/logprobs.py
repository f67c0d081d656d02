"""The one log-probability routine: trainer, reference and scorers all call it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from reasoning_jax.models.moe import load_balance_loss
from reasoning_jax.models.transformer import Transformer


class TokenScores(NamedTuple):
    """Of the distribution each token was drawn from; all [...] float32, one shape.

    Attributes:
      logprobs: log-probability of the token.
      entropy: in nats.
      logsumexp: log-normaliser of the logits.
    """

    logprobs: jax.Array
    entropy: jax.Array
    logsumexp: jax.Array


def token_logprobs(
    model: Transformer,
    params: dict,
    tokens: jax.Array,
    *,
    positions: jax.Array | None = None,
    segment_ids: jax.Array | None = None,
    temperature: float = 1.0,
    chunk: int = 256,
) -> TokenScores:
    """log p(tokens[b, t] | tokens[b, <t]), with the entropy of that distribution.

    The head runs over ``chunk`` time steps at once and is recomputed in the backward pass,
    so [B, T, V] never exists for T > chunk. Position 0 has no context: all are 0 there.

    Args:
      tokens: [B, T] ids.
      temperature: logits are divided by it before the softmax, > 0.

    Returns:
      TokenScores of [B, T].
    """
    hidden = model.apply({"params": params}, tokens, positions, segment_ids, method="hidden")
    return _score_hidden(model, params, hidden, tokens, temperature, chunk)


def token_logprobs_and_balance(
    model: Transformer,
    params: dict,
    tokens: jax.Array,
    mask: jax.Array,
    *,
    positions: jax.Array | None = None,
    segment_ids: jax.Array | None = None,
    temperature: float = 1.0,
    chunk: int = 256,
) -> tuple[TokenScores, jax.Array]:
    """``token_logprobs`` and the load-balancing loss of the model's routers, from one forward.

    Args:
      mask: [B, T] tokens that count for the balance.

    Returns:
      TokenScores of [B, T], and a scalar: ``load_balance_loss`` over the tokens of all layers,
      0 for a model without experts.
    """
    hidden, sown = model.apply(
        {"params": params},
        tokens,
        positions,
        segment_ids,
        method="hidden",
        mutable="intermediates",
    )
    scores = _score_hidden(model, params, hidden, tokens, temperature, chunk)
    moe = model.config.moe
    if moe is None:
        return scores, jnp.float32(0)
    (probs_LxBxTxE,) = sown["intermediates"]["layers"]["block"]["moe"]["router_probs"]
    mask_LxBxT = jnp.broadcast_to(mask, probs_LxBxTxE.shape[:-1])
    probs_NxE = probs_LxBxTxE.reshape(-1, moe.n_experts)
    return scores, load_balance_loss(probs_NxE, moe.top_k, mask_LxBxT.reshape(-1))


def _score_hidden(
    model: Transformer,
    params: dict,
    hidden: jax.Array,
    tokens: jax.Array,
    temperature: float,
    chunk: int,
) -> TokenScores:
    """TokenScores [B, T] from the hidden states [B, T, M] of tokens [B, T]."""
    hidden_BxSxM, targets_BxS = hidden[:, :-1], tokens[:, 1:]

    @jax.checkpoint
    def score(hidden_BxCxM: jax.Array, targets_BxC: jax.Array) -> TokenScores:
        logits = model.apply({"params": params}, hidden_BxCxM, method="unembed") / temperature
        return score_logits(logits, targets_BxC)

    length = targets_BxS.shape[1]
    if length <= chunk:
        scores = score(hidden_BxSxM, targets_BxS)
    else:
        room = -length % chunk
        pieces = jax.tree.map(
            lambda x: _chunks(jnp.pad(x, ((0, 0), (0, room)) + ((0, 0),) * (x.ndim - 2)), chunk),
            (hidden_BxSxM, targets_BxS),
        )
        _, scores = jax.lax.scan(lambda _, piece: (None, score(*piece)), None, pieces)
        scores = jax.tree.map(
            lambda x: x.swapaxes(0, 1).reshape(tokens.shape[0], -1)[:, :length], scores
        )
    return jax.tree.map(lambda x: jnp.pad(x, ((0, 0), (1, 0))), scores)


def score_logits(logits: jax.Array, targets: jax.Array) -> TokenScores:
    """TokenScores of targets [...] under softmax(logits [..., V]); -inf is probability 0."""
    logits = logits.astype(jnp.float32)
    lse = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    possible = jnp.where(jnp.isneginf(logits), 0, logits)
    mean_logit = jnp.sum(jnp.exp(logits - lse[..., None]) * possible, axis=-1)
    return TokenScores(chosen - lse, lse - mean_logit, lse)


def _chunks(x: jax.Array, chunk: int) -> jax.Array:
    """[B, N * chunk, ...] -> [N, B, chunk, ...]."""
    return x.reshape(x.shape[0], -1, chunk, *x.shape[2:]).swapaxes(0, 1)
