"""Preference from single responses judged good or bad: KTO (arXiv 2402.01306).

Each response stands beside one to another prompt, whose log-ratio estimates how far the policy
has gone from its reference. The estimate is the mean over the whole batch of an update, whatever
its micro-batches and sharding; the pairing stays the same, so all of the reference is computed
once.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.preference import (
    SingleBatch,
    kl_estimate,
    log_ratios,
    response_logprobs,
    single_scalars,
)
from reasoning_jax.preference.pairs import (
    Single,
    collate_singles,
    encode_response,
    read_singles,
    write_singles,
)
from reasoning_jax.preference.singles import MISMATCHED, OWN
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
    """The stage's block: KTO on the policy's own right and wrong responses."""
    return responses_block(
        "reasoning_jax.stages.unpaired",
        "reasoning_jax.stages.sources.singles.SampledSingles",
        "reasoning_jax.preference.kto",  # (log-ratios [B], desirable [B], KL) -> [B]
        "responses",
    )


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    floats = jax.ShapeDtypeStruct((block.responses,), "float32")
    flags = jax.ShapeDtypeStruct((block.responses,), "bool")
    check_loss(block, (floats, flags, jax.ShapeDtypeStruct((), "float32")), (block.responses,))
    if block.responses < 2:
        raise ValueError(f"responses is {block.responses}; the estimate needs at least 2 of them")
    check_responses(context, block, "responses")


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    model, loss = context.transformer(), function(block.loss, "loss")

    def score(params: dict, rows: SingleBatch) -> jax.Array:
        logprobs, _ = side_logprobs(model, params, rows.tokens, rows.lengths, rows.mask)
        return response_logprobs(logprobs, rows.mask)

    def forward(params: dict, rows: SingleBatch) -> tuple[jax.Array, jax.Array, jax.Array]:
        ratios, balance = _ratios(model, params, rows, OWN)
        # The same number on every row: one stands for all, whichever rows are here.
        return loss(ratios, rows.desirable, rows.kl), balance, ratios

    def estimate(trained: dict, frozen: dict | None, rows: SingleBatch) -> SingleBatch:
        params = context.trainable.assemble(trained, frozen)
        ratios = in_parts(
            lambda part: _ratios(model, params, part, MISMATCHED)[0], rows, block.micro_batches
        )
        has_one = rows.row_mask & jnp.any(rows.mask[:, MISMATCHED], axis=-1)
        kl = kl_estimate(ratios, has_one)
        return rows.replace(kl=jnp.broadcast_to(kl, ratios.shape))

    def scalars(rows: SingleBatch, ratios: jax.Array) -> dict[str, jax.Array]:
        found = single_scalars(ratios, rows.desirable, rows.weights, beta_of(loss))
        return {**found, "rewards/kl": rows.kl[0]}

    def update(optimizer) -> Callable:
        step = response_update(context, block, optimizer, forward, scalars)
        with_estimate = jax.jit(estimate)

        def advance(state, rows: SingleBatch):
            return step(state, with_estimate(state.params, context.frozen, rows), context.frozen)

        return advance

    build = rows_of_source(stage, "singles", read_singles, write_singles, _rows)
    return learn(stage, params, block.responses, build, score, update)


def in_parts(
    function: Callable[[SingleBatch], jax.Array], rows: SingleBatch, parts: int
) -> jax.Array:
    """``function`` over the rows, one of so many parts at a time; [N] arrays in their order.

    Part m takes rows m, m + M, ...: each device cuts its own rows, as in an update.
    """
    if parts == 1:
        return function(rows)
    count = rows.row_mask.shape[0] // parts
    cut = jax.tree.map(lambda x: x.reshape(count, parts, *x.shape[1:]).swapaxes(0, 1), rows)
    return jax.lax.map(function, cut).swapaxes(0, 1).reshape(-1)


def _ratios(model, params: dict, rows: SingleBatch, side: int) -> tuple[jax.Array, jax.Array]:
    """log π/π_ref [N] of one side of the rows, and the routers' balance."""
    sides = (x[:, side : side + 1] for x in (rows.tokens, rows.lengths, rows.mask))
    logprobs, balance = side_logprobs(model, params, *sides)
    summed = response_logprobs(logprobs[:, 0], rows.mask[:, side])
    return log_ratios(summed, rows, side), balance


def _rows(context: Context, block: ConfigDict, singles: tuple[Single, ...]) -> SingleBatch:
    """All responses as NumPy arrays of one width."""
    ids = [
        encode_response(context.tokenizer, s.prompt, s.response, s.turns).truncate(
            block.max_length, block.max_context
        )
        for s in singles
    ]
    columns = width(max((one.length for one in ids), default=1))
    flags = [single.desirable for single in singles]
    return collate_singles(ids, flags, min(columns, block.max_length))
