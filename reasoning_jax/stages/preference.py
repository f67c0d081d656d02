"""Preference optimisation: pairs once, their reference log-probabilities once, then updates.

The reference is the policy the stage begins with. Source and loss are chosen by dotted name in
the block.
"""

import inspect
import pathlib
from collections.abc import Callable

import jax
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import token_logprobs
from reasoning_jax.parallel import is_main_process, put_batch, to_host
from reasoning_jax.preference import (
    PairBatch,
    PairLogprobs,
    pair_logprobs,
    pair_mean,
    pair_scalars,
    response_logprobs,
)
from reasoning_jax.preference.pairs import (
    Pair,
    collate_pairs,
    encode_pair,
    read_pairs,
    write_pairs,
)
from reasoning_jax.rl import weighted_sum
from reasoning_jax.shapes import bucket
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import (
    build_optimizer,
    build_schedule,
    check_rows,
    evaluation_block,
    named,
    optimizer_block,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.loop import Schedule, StepResult, begin, run_loop
from reasoning_jax.stages.pair_sources import PairSource
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update


def default_config() -> ConfigDict:
    """The stage's block: DPO on the policy's own right and wrong responses."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.preference"
    # what makes the pairs; its keywords stand beside its name
    block.source = named("reasoning_jax.stages.pair_sources.SampledOutcomes")
    # PairLogprobs -> [B]; other losses: reasoning_jax.preference.pair_losses
    block.loss = named("reasoning_jax.preference.pair_losses.dpo")
    block.max_length = 256  # tokens of context and response; longer pairs are cut ...
    block.max_context = 128  # ... to so many last tokens of the context, then at the end
    block.pairs = 64  # per update
    block.micro_batches = 1
    block.steps = 100
    block.optimizer = optimizer_block(peak=1e-4, warmup_steps=10)
    block.log_every = 10
    block.evaluate_every = 50
    block.checkpoint_every = 0  # besides those after every evaluation
    block.evaluation = evaluation_block("validation", problems=256, n=4, max_tokens=32)
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    check_rows(context, block.pairs, block.micro_batches, "pairs")
    build_optimizer(block.optimizer)
    if block.steps < 1:
        raise ValueError(f"steps is {block.steps}; it must be at least 1")
    if not 0 < block.max_context < block.max_length <= context.model.max_position:
        raise ValueError(
            f"max_context {block.max_context} and max_length {block.max_length}: the first must "
            f"be below the second, and that at most the context {context.model.max_position}"
        )
    if context.lora is not None and context.lora.dropout:
        raise ValueError(
            f"config.lora.dropout is {context.lora.dropout}: policy and reference would be "
            "different networks; set it to 0"
        )
    if block.evaluate_every:
        evaluate.validate(context, block.evaluation)
    _check_loss(block)
    _source(block).validate(context)


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    # The first checkpoint stays while the stage runs: it holds the reference.
    reference = params if stage.resumed is None else context.restore(stage.first_number)
    batch = _collate(context, block, _pairs(stage, reference))
    if len(batch.row_mask) < block.pairs:
        raise RuntimeError(
            f"{stage.name}: the source gives {len(batch.row_mask)} pairs, fewer than one update "
            f"of {block.pairs}; give it more problems or samples, or lower {stage.name}.pairs"
        )
    batch = _with_reference(context, batch, reference, block.pairs)
    if stage.resumed is None:
        shares = {"pairs/count": len(batch.row_mask), "pairs/length": float(batch.lengths.mean())}
        context.log.log(stage.name, 0, shares)
    batches = index_batches(len(batch.row_mask), block.pairs, stage.seed(1))
    optimizer = build_optimizer(block.optimizer)
    schedule = build_schedule(block.optimizer)
    update = _update(context, block, optimizer)

    def advance(state: TrainState, indices: np.ndarray, step: int) -> tuple[TrainState, StepResult]:
        rows = jax.tree.map(lambda x: x[indices], batch)
        state, metrics = update(state, put_batch(rows, context.mesh), context.frozen)
        for name in ("loss", "grad_norm"):
            metrics[f"train/{name}"] = metrics.pop(name)
        metrics["train/lr"] = schedule(step)
        return state, StepResult(metrics, [], int(rows.lengths.sum()))

    position = run_loop(
        stage,
        begin(stage, params, optimizer, batches, {"keep": [stage.first_number]}),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        (lambda state: evaluate.measure(stage, block.evaluation, state.params))
        if block.evaluate_every
        else None,
    )
    stage.finish(position.step, position.state.params, (stage.first_number,))
    return position.state.params


def _source(block: ConfigDict) -> PairSource:
    try:
        return function(block.source, "source")()
    except TypeError as error:
        raise ValueError(f"source: {error}; give it beside name") from error


def _check_loss(block: ConfigDict) -> None:
    """Traces the loss on shapes alone; raises ValueError."""
    floats = jax.ShapeDtypeStruct((block.pairs,), "float32")
    try:
        result = jax.eval_shape(function(block.loss, "loss"), PairLogprobs(*[floats] * 6))
    except Exception as error:
        raise ValueError(f"loss cannot be used here: {error}") from error
    if getattr(result, "shape", None) != floats.shape:
        raise ValueError(f"loss gives {result}, not one array of shape {floats.shape}")


def _beta(pair_loss: Callable) -> float:
    """What scales the log-ratios to rewards: the loss's argument beta, 1 where it has none."""
    beta = inspect.signature(pair_loss).parameters.get("beta")
    return 1.0 if beta is None else beta.default


def _pairs(stage: Stage, reference: dict) -> tuple[Pair, ...]:
    """The stage's pairs, written to the workdir; those written before where it is taken up."""
    context = stage.context
    path = pathlib.Path(context.workdir) / "pairs" / f"{stage.name}.jsonl"
    if stage.resumed is not None and path.exists():
        return read_pairs(path)
    pairs = _source(stage.config).pairs(context, reference, stage.seed(0))
    if is_main_process() and pairs:
        path.parent.mkdir(exist_ok=True)
        write_pairs(path, pairs)
    return pairs


def _collate(context: Context, block: ConfigDict, pairs: tuple[Pair, ...]) -> PairBatch:
    """All pairs as NumPy arrays of one width."""
    ids = [
        encode_pair(context.tokenizer, pair).truncate(block.max_length, block.max_context)
        for pair in pairs
    ]
    width = bucket(max((pair.length for pair in ids), default=1))
    return collate_pairs(ids, min(width, block.max_length))


def _with_reference(context: Context, batch: PairBatch, reference: dict, at_once: int) -> PairBatch:
    """The batch with the reference policy's log-probabilities, [N, 2] on the host."""
    model = context.transformer()
    score = jax.jit(lambda params, rows: _response_logprobs(model, params, rows))
    params, count = context.params(reference), len(batch.row_mask)
    scored = np.zeros((count, 2), np.float32)
    for first in range(0, count, at_once):
        # The last part is filled up with rows from the start: one shape, one program.
        rows = np.arange(first, first + at_once) % count
        part = put_batch(jax.tree.map(lambda x, rows=rows: x[rows], batch), context.mesh)
        scored[rows] = to_host(score(params, part))
    return batch.replace(ref_logprobs=scored)


def _token_logprobs(model, params: dict, batch: PairBatch) -> jax.Array:
    """[B, 2, T]: both sides of all pairs in one forward."""
    rows = batch.tokens.reshape(-1, batch.tokens.shape[-1])
    return token_logprobs(model, params, rows).logprobs.reshape(batch.tokens.shape)


def _response_logprobs(model, params: dict, batch: PairBatch) -> jax.Array:
    return response_logprobs(_token_logprobs(model, params, batch), batch.mask)


def _update(context: Context, block: ConfigDict, optimizer) -> Callable:
    model, pair_loss = context.transformer(), function(block.loss, "loss")

    def prepare(batch: PairBatch) -> PairBatch:
        return batch.replace(weights=pair_mean(batch.row_mask))

    def loss(params: dict, batch: PairBatch) -> tuple[jax.Array, PairLogprobs]:
        pair = pair_logprobs(_token_logprobs(model, params, batch), batch)
        return weighted_sum(pair_loss(pair), batch.weights), pair

    return make_update(
        context.trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=lambda batch, pair: pair_scalars(pair, batch.weights, _beta(pair_loss)),
        micro_batches=block.micro_batches,
    )
