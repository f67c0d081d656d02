"""Preference optimisation: pairs once, their reference log-probabilities once, then updates.

The reference is the policy the stage begins with. Source and loss are chosen by dotted name in
the block. With ``resample_every`` the pairs are made anew of the policy's own responses every so
many steps: 0 is offline DPO, 1 online, anything between semi-online (arXiv 2506.21495).
"""

import inspect
from collections.abc import Callable

import jax
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import token_logprobs_and_balance
from reasoning_jax.preference import (
    PackedPairs,
    PairBatch,
    PairLogprobs,
    packed_pair_logprobs,
    pair_logprobs,
    pair_scalars,
    response_logprobs,
    segment_sums,
)
from reasoning_jax.preference.pairs import (
    Pair,
    collate_pairs,
    encode_pair,
    pack_pairs,
    read_pairs,
    write_pairs,
)
from reasoning_jax.shapes import width
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.responses import (
    Rows,
    check_loss,
    check_responses,
    learn,
    response_update,
    responses_block,
    rows_of_source,
    side_logprobs,
)
from reasoning_jax.stages.stage import Stage


def default_config() -> ConfigDict:
    """The stage's block: DPO on the policy's own right and wrong responses."""
    block = responses_block(
        "reasoning_jax.stages.preference",
        "reasoning_jax.stages.sources.pairs.SampledOutcomes",
        # PairLogprobs -> [B]; other losses: reasoning_jax.preference.pair_losses
        "reasoning_jax.preference.pair_losses.dpo",
        "pairs",
    )
    # Tokens of a row that whole pairs are packed into; ``pairs`` then says how many rows an update
    # takes. 0: each side of a pair has a row of its own.
    block.row_tokens = 0
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    if block.row_tokens and block.row_tokens < 2 * block.max_length:
        raise ValueError(
            f"row_tokens is {block.row_tokens}: a row must hold both sides of a pair, "
            f"{2 * block.max_length} tokens at max_length {block.max_length}; 0 does not pack"
        )
    floats = jax.ShapeDtypeStruct((block.pairs,), "float32")
    check_loss(block, (PairLogprobs(*[floats] * 6),), (block.pairs,))
    check_responses(context, block, "pairs")


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    model, pair_loss = context.transformer(), function(block.loss, "loss")

    def forward(params: dict, rows: Rows) -> tuple[jax.Array, jax.Array, PairLogprobs]:
        pair, balance = _pair_logprobs(model, params, rows)
        return pair_loss(pair), balance, pair

    def score(params: dict, rows: Rows) -> jax.Array:
        logprobs, _ = _token_logprobs(model, params, rows)
        if isinstance(rows, PackedPairs):
            return segment_sums(logprobs, rows)
        return response_logprobs(logprobs, rows.mask)

    def update(optimizer) -> Callable:
        beta = beta_of(pair_loss)
        step = response_update(
            context,
            block,
            optimizer,
            forward,
            lambda rows, pair: pair_scalars(pair, rows.weights, beta),
        )
        return lambda state, rows: step(state, rows, context.frozen)

    build = rows_of_source(stage, "pairs", read_pairs, write_pairs, _rows)
    return learn(stage, params, block.pairs, build, score, update)


def beta_of(loss: Callable) -> float:
    """What scales the log-ratios to rewards: the loss's argument beta, 1 where it has none."""
    beta = inspect.signature(loss).parameters.get("beta")
    return 1.0 if beta is None else beta.default


def _rows(context: Context, block: ConfigDict, pairs: tuple[Pair, ...]) -> PairBatch | PackedPairs:
    """All pairs as NumPy arrays of one width."""
    ids = [
        encode_pair(context.tokenizer, pair).truncate(block.max_length, block.max_context)
        for pair in pairs
    ]
    if block.row_tokens:
        return pack_pairs(ids, block.row_tokens)
    columns = width(max((pair.length for pair in ids), default=1))
    return collate_pairs(ids, min(columns, block.max_length))


def _token_logprobs(model, params: dict, rows: Rows) -> tuple[jax.Array, jax.Array]:
    """Of all tokens, in the shape of the rows, and the routers' balance; one forward."""
    if not isinstance(rows, PackedPairs):
        return side_logprobs(model, params, rows.tokens, rows.lengths, rows.mask)
    scores, balance = token_logprobs_and_balance(
        model,
        params,
        rows.tokens,
        rows.segment_ids > 0,
        segment_ids=rows.segment_ids,
        scored=rows.mask,
    )
    return scores.logprobs, balance


def _pair_logprobs(model, params: dict, rows: Rows) -> tuple[PairLogprobs, jax.Array]:
    logprobs, balance = _token_logprobs(model, params, rows)
    if isinstance(rows, PackedPairs):
        return packed_pair_logprobs(logprobs, rows), balance
    return pair_logprobs(logprobs, rows), balance
