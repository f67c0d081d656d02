"""The one log-probability routine: trainer, reference and scorers all call it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from reasoning_jax.models.attention.support import platform
from reasoning_jax.models.chunked_head import Head, chunked_scores
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
    scored: jax.Array | None = None,
    temperature: float = 1.0,
    chunk: int | None = None,
) -> TokenScores:
    """log p(tokens[b, t] | tokens[b, <t]), with the entropy of that distribution.

    The head runs over ``chunk`` tokens at a time and again in the backward pass, so that
    [B, T, V] never exists. Position 0 has no context: all are 0 there. Differentiable once.

    Args:
      tokens: [B, T] ids.
      scored: [B, T] bool, the tokens whose scores are wanted, 0 elsewhere; chunks without any
        are not computed. None for all.
      temperature: logits are divided by it before the softmax, > 0.
      chunk: tokens of all rows together whose logits live at a time, of a row at least one;
        None takes ``chunk_tokens`` of the vocabulary and the platform.

    Returns:
      TokenScores of [B, T].
    """
    hidden = model.apply({"params": params}, tokens, positions, segment_ids, method="hidden")
    return _score_hidden(model, params, hidden, tokens, scored, temperature, chunk)


def token_logprobs_and_balance(
    model: Transformer,
    params: dict,
    tokens: jax.Array,
    mask: jax.Array,
    *,
    positions: jax.Array | None = None,
    segment_ids: jax.Array | None = None,
    scored: jax.Array | None = None,
    temperature: float = 1.0,
    chunk: int | None = None,
) -> tuple[TokenScores, jax.Array]:
    """``token_logprobs`` and the load-balancing loss of the model's routers, from one forward.

    Args:
      mask: [B, T] tokens that count for the balance.
      scored, temperature, chunk: as in ``token_logprobs``.

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
    scores = _score_hidden(model, params, hidden, tokens, scored, temperature, chunk)
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
    scored: jax.Array | None,
    temperature: float,
    chunk: int | None,
) -> TokenScores:
    """TokenScores [B, T] from the hidden states [B, T, M] of tokens [B, T]."""
    config = model.config
    kernel = params["embedding" if config.tie_embeddings else "head"]
    head = Head(
        vocab_axis=0 if config.tie_embeddings else 1,
        dtype=model.dtype,
        softcap=config.final_softcap,
        temperature=temperature,
        mesh=model.mesh,
    )
    has_context = jnp.broadcast_to(jnp.arange(tokens.shape[1]) > 0, tokens.shape)
    scored = has_context if scored is None else has_context & scored
    chunk = chunk_tokens(config.vocab_size, platform(model.mesh)) if chunk is None else chunk
    columns = max(1, min(chunk // tokens.shape[0], tokens.shape[1]))
    before = jnp.pad(hidden[:, :-1], ((0, 0), (1, 0), (0, 0)))
    return TokenScores(*chunked_scores(head, columns, kernel, before, tokens, scored))


def chunk_tokens(vocab_size: int, where: str) -> int:
    """Tokens whose logits live at a time, in reasonable bounds.

    256 MB of them in float32, and 1 GB on a GPU, which reads and writes the gradient of the whole
    head for every chunk: a tenth of an update at a vocabulary of 150k.
    """
    scale = 4 if where == "gpu" else 1
    return min(max(scale * 2**26 // vocab_size, 256), scale * 1024)


def score_logits(logits: jax.Array, targets: jax.Array) -> TokenScores:
    """TokenScores of targets [...] under softmax(logits [..., V]); -inf is probability 0."""
    logits = logits.astype(jnp.float32)
    lse = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    possible = jnp.where(jnp.isneginf(logits), 0, logits)
    mean_logit = jnp.sum(jnp.exp(logits - lse[..., None]) * possible, axis=-1)
    return TokenScores(chosen - lse, lse - mean_logit, lse)
