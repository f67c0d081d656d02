"""Pretraining of a plain transformer on text: every token given those before it.

The energy model of the stage ``energy`` reads the same rows in the same order, with the same
optimiser: this is its baseline, the Transformer++ of arXiv:2507.02092.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.models import token_logprobs
from reasoning_jax.models.looped import looped_logprobs
from reasoning_jax.parallel import put_batch
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.stages.blocks import build_optimizer, build_schedule
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.loop import Schedule, StepResult, begin, run_loop
from reasoning_jax.stages.pretrain_text import (
    check_text,
    floor_of,
    in_chunks,
    text_block,
    training_rows,
    validation_rows,
)
from reasoning_jax.stages.stage import Stage
from reasoning_jax.text.packing import PackedRows
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update


def default_config() -> ConfigDict:
    """The stage's block."""
    block = text_block("reasoning_jax.stages.pretrain")
    block.loops = 1  # times that a token passes through the layers, the same ones again
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against text, model and mesh; raises ValueError."""
    if context.energy is not None:
        raise ValueError("the run has an energy model; pretrain it by the stage energy")
    if block.loops < 1:
        raise ValueError(f"loops is {block.loops}; a token passes the layers at least once")
    check_text(context, block)


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    rows = training_rows(context, block, stage.seed(0))
    batches = index_batches(len(rows.tokens), block.rows, stage.seed(1))
    optimizer = build_optimizer(block.optimizer)
    schedule = build_schedule(block.optimizer)
    nll = _nll(context, block.loops)
    update = make_update(
        context.trainable,
        optimizer,
        prepare=lambda batch: batch.replace(weights=token_mean(batch.loss_mask)),
        loss=lambda params, batch: (nll(params, batch), batch.weights[:, 0]),
        report=lambda batch, _: {"tokens": jnp.sum(batch.loss_mask)},
        micro_batches=block.micro_batches,
    )

    def advance(state: TrainState, indices: np.ndarray, step: int) -> tuple[TrainState, StepResult]:
        batch = put_batch(_batch(rows, indices), context.mesh)
        state, metrics = update(state, batch, context.frozen)
        metrics = {f"train/{name}": value for name, value in metrics.items()}
        metrics["train/lr"] = schedule(step)
        return state, StepResult(metrics, [], int(rows.loss_mask[indices].sum()))

    measure = _measure(stage)
    position = run_loop(
        stage,
        begin(stage, params, optimizer, batches, {}),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        lambda state: measure(state.params),
    )
    stage.finish(position.step, position.state.params)
    return position.state.params


@struct.dataclass
class _Batch:
    """Packed rows [B, T] of PackedRows; ``weights`` are those of the whole batch."""

    tokens: jax.Array
    segment_ids: jax.Array
    positions: jax.Array
    loss_mask: jax.Array
    weights: jax.Array | None = None


def _batch(rows: PackedRows, indices: np.ndarray) -> _Batch:
    return _Batch(
        rows.tokens[indices],
        rows.segment_ids[indices],
        rows.positions[indices],
        rows.loss_mask[indices],
    )


def _nll(context: Context, loops: int):
    model = context.transformer()

    def nll(params: dict, batch: _Batch) -> jax.Array:
        where = {"positions": batch.positions, "segment_ids": batch.segment_ids}
        if loops == 1:
            logprobs = token_logprobs(model, params, batch.tokens, **where).logprobs
        else:
            logprobs = looped_logprobs(model, params, batch.tokens, loops=loops, **where)
        return weighted_sum(-logprobs, batch.weights)

    return nll


def _measure(stage: Stage) -> Callable[[dict], Evaluation]:
    """Parameters -> Evaluation on held-out text."""
    context, block = stage.context, stage.config
    held_out = validation_rows(context, block)
    nll_of, floor = held_out_nll(context, held_out, block.rows, block.loops), floor_of(context)

    def measure(params: dict) -> Evaluation:
        metrics = {"eval/nll": nll_of(params)}
        if floor is not None:
            metrics["eval/regret"] = metrics["eval/nll"] - floor
        return Evaluation(metrics, [])

    return measure


def held_out_nll(
    context: Context, rows: PackedRows, size: int, loops: int = 1
) -> Callable[[dict], float]:
    """Parameters -> nats a token of ``rows``, ``size`` of them at once."""
    nll, tokens = _nll(context, loops), int(rows.loss_mask.sum())

    @jax.jit
    def total(params: dict, batch: _Batch, frozen) -> jax.Array:
        ones = batch.replace(weights=batch.loss_mask.astype(jnp.float32))
        return nll(context.trainable.assemble(params, frozen), ones)

    def measure(params: dict) -> float:
        parts = (_batch(part, np.arange(size)) for part in in_chunks(rows, size))
        return (
            sum(
                float(total(params, put_batch(part, context.mesh), context.frozen))
                for part in parts
            )
            / tokens
        )

    return measure
