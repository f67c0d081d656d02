"""Preference from K scored responses to a prompt: InfoNCA and NCA (arXiv 2402.05369)."""

from collections.abc import Callable

import jax
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.preference import (
    ScoredBatch,
    response_logprobs,
    scored_log_ratios,
    scored_scalars,
)
from reasoning_jax.preference.pairs import (
    Scored,
    collate_scored,
    encode_response,
    read_scored,
    write_scored,
)
from reasoning_jax.shapes import width
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.preference import beta_of
from reasoning_jax.stages.responses import (
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
    """The stage's block: NCA on the policy's own responses, scored by their verdicts."""
    return responses_block(
        "reasoning_jax.stages.scored",
        "reasoning_jax.stages.sources.scored.SampledScored",
        # (log-ratios, scores, mask, all [B, K]) -> [B]; or reasoning_jax.preference.info_nca
        "reasoning_jax.preference.nca",
        "prompts",
    )


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    floats = jax.ShapeDtypeStruct((block.prompts, 4), "float32")
    flags = jax.ShapeDtypeStruct((block.prompts, 4), "bool")
    check_loss(block, (floats, floats, flags), (block.prompts,))
    check_responses(context, block, "prompts")


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    model, loss = context.transformer(), function(block.loss, "loss")

    def score(params: dict, rows: ScoredBatch) -> jax.Array:
        logprobs, _ = side_logprobs(model, params, rows.tokens, rows.lengths, rows.mask)
        return response_logprobs(logprobs, rows.mask)

    def forward(params: dict, rows: ScoredBatch) -> tuple[jax.Array, jax.Array, jax.Array]:
        logprobs, balance = side_logprobs(model, params, rows.tokens, rows.lengths, rows.mask)
        ratios = scored_log_ratios(response_logprobs(logprobs, rows.mask), rows)
        return loss(ratios, rows.scores, rows.counted), balance, ratios

    def update(optimizer) -> Callable:
        step = response_update(
            context,
            block,
            optimizer,
            forward,
            lambda rows, ratios: scored_scalars(ratios, rows, rows.weights, beta_of(loss)),
        )
        return lambda state, rows: step(state, rows, context.frozen)

    build = rows_of_source(stage, "scored", read_scored, write_scored, scored_rows)
    return learn(stage, params, block.prompts, build, score, update)


def scored_rows(context: Context, block: ConfigDict, entries: tuple[Scored, ...]) -> ScoredBatch:
    """All responses as NumPy arrays of one width."""
    groups = [
        [
            encode_response(context.tokenizer, entry.prompt, response, entry.turns).truncate(
                block.max_length, block.max_context
            )
            for response in entry.responses
        ]
        for entry in entries
    ]
    columns = width(max((one.length for group in groups for one in group), default=1))
    scores = [entry.scores for entry in entries]
    return collate_scored(groups, scores, min(columns, block.max_length))
