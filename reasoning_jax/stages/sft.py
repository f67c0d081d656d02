"""Supervised fine-tuning on solutions: packed rows, loss on what follows the prompt.

Where the run has tools, results that solutions show are read and not trained.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.models import token_logprobs_and_balance
from reasoning_jax.parallel import put_batch
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import (
    build_optimizer,
    build_schedule,
    check_rows,
    evaluation_block,
    optimizer_block,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.examples import (
    data_path,
    encode_worked_example,
    is_made_later,
    read_examples,
)
from reasoning_jax.stages.loop import Decision, Schedule, StepResult, begin, run_loop
from reasoning_jax.stages.stage import Stage
from reasoning_jax.text.packing import PackedRows
from reasoning_jax.training.data import index_batches, pack_examples
from reasoning_jax.training.losses import z_loss
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update

# What a warm-up may wait for.
GATES = ("eval/pass@1", "eval/greedy")


def default_config() -> ConfigDict:
    """The stage's block."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.sft"
    block.split = "train"
    block.examples = 0  # the first so many problems of the split; 0 is all
    # A file of prompts and responses to imitate in place of the split's solutions, or the name of
    # an earlier stage of this run that writes one (reasoning_jax.stages.curate).
    block.data = ""
    block.row_tokens = 256  # length of a packed row
    block.drop_longer = False  # leave out examples longer than a row instead of refusing
    block.rows = 32  # packed rows per update
    block.micro_batches = 1
    block.steps = 500  # most updates
    block.balance = 1.0  # multiple of the load-balancing loss a mixture's own config asks for
    block.z_loss_coef = 0.0  # keeps the softmax's normaliser near 1; 1e-5 is usual
    block.optimizer = optimizer_block(peak=1e-3, warmup_steps=20)
    block.log_every = 10
    block.evaluate_every = 100
    block.checkpoint_every = 0  # besides those after every evaluation
    block.evaluation = evaluation_block("validation", problems=256, n=4, max_tokens=32)
    # The stage ends at the first evaluation from step `after` on with metric >= at_least, and
    # fails when that never comes; an empty metric trains all the steps.
    block.gate = ConfigDict({"metric": "", "at_least": 0.0, "after": 0})
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    check_rows(context, block.rows, block.micro_batches, "rows")
    build_optimizer(block.optimizer)
    if block.row_tokens > context.model.max_position:
        raise ValueError(
            f"row_tokens {block.row_tokens} exceeds the context {context.model.max_position}"
        )
    if block.evaluate_every:
        evaluate.validate(context, block.evaluation)
    if block.steps < 1:
        raise ValueError(f"steps is {block.steps}; it must be at least 1")
    gate = block.gate
    if gate.metric and not block.evaluate_every:
        raise ValueError("gate.metric needs evaluations: set evaluate_every above 0")
    if gate.metric and gate.metric not in GATES:
        raise ValueError(f"gate.metric is {gate.metric!r}; choose one of {', '.join(GATES)}")
    if gate.metric and gate.after > block.steps:
        raise ValueError(f"gate.after {gate.after} lies behind the last of {block.steps} steps")
    if not is_made_later(context, block.data):
        _packed(context, block, seed=0)


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    rows = _packed(context, block, stage.seed(0))
    batches = index_batches(len(rows.tokens), block.rows, stage.seed(1))
    optimizer = build_optimizer(block.optimizer)
    schedule = build_schedule(block.optimizer)
    update = make_update(
        context.trainable,
        optimizer,
        prepare=_prepare,
        loss=_loss(context, block),
        report=lambda batch, balance: {
            "tokens": jnp.sum(batch.segment_ids > 0),
            **({} if context.model.moe is None else {"balance": jnp.sum(balance)}),
        },
        micro_batches=block.micro_batches,
    )

    def advance(state: TrainState, indices: np.ndarray, step: int) -> tuple[TrainState, StepResult]:
        batch = _Batch(
            tokens=rows.tokens[indices],
            segment_ids=rows.segment_ids[indices],
            loss_mask=rows.loss_mask[indices],
        )
        tokens = int((batch.segment_ids > 0).sum())
        state, metrics = update(state, put_batch(batch, context.mesh), context.frozen)
        metrics = {f"train/{name}": value for name, value in metrics.items()}
        metrics["train/lr"] = schedule(step)
        return state, StepResult(metrics, [], tokens)

    def decide(step: int, progress: dict, evaluation: Evaluation) -> Decision:
        gate = block.gate
        if not gate.metric:
            return Decision(False, progress)
        value = evaluation.metrics[gate.metric]
        passed = step >= gate.after and value >= gate.at_least
        return Decision(passed, {"passed": passed, "value": value})

    position = run_loop(
        stage,
        begin(stage, params, optimizer, batches, {}),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        (lambda state: evaluate.measure(stage, block.evaluation, state.params))
        if block.evaluate_every
        else None,
        decide,
    )
    if block.gate.metric and not position.progress["passed"]:
        raise RuntimeError(
            f"{stage.name}: {block.gate.metric} is {position.progress['value']:.3f} after "
            f"{position.step} steps and never reached gate.at_least {block.gate.at_least}; raise "
            f"{stage.name}.steps, or look at the loss in the report"
        )
    stage.finish(position.step, position.state.params)
    return position.state.params


@struct.dataclass
class _Batch:
    """Packed rows [B, T] of PackedRows; the last two are set from the whole batch.

    Attributes:
      weights: [B, T] float32 share of each token in the loss.
      shares: [B] float32 share of each row in the tokens that routers see.
    """

    tokens: Array
    segment_ids: Array
    loss_mask: Array
    weights: Array | None = None
    shares: Array | None = None


def _prepare(batch: _Batch) -> _Batch:
    shares = jnp.sum(token_mean(batch.segment_ids > 0), axis=1)
    return batch.replace(weights=token_mean(batch.loss_mask), shares=shares)


def _loss(context: Context, block: ConfigDict):
    model, moe = context.transformer(), context.model.moe
    balance_coef = 0.0 if moe is None else block.balance * moe.aux_coef

    def loss(params: dict, batch: _Batch) -> tuple[Array, Array]:
        scores, balance = token_logprobs_and_balance(
            model,
            params,
            batch.tokens,
            batch.segment_ids > 0,
            segment_ids=batch.segment_ids,
            scored=batch.loss_mask,
        )
        losses = block.z_loss_coef * z_loss(scores.logsumexp) - scores.logprobs
        # Routers are balanced within what passes through them at once, a micro-batch.
        balance_B = batch.shares * balance
        return weighted_sum(losses, batch.weights) + balance_coef * jnp.sum(balance_B), balance_B

    return loss


def _packed(context: Context, block: ConfigDict, seed: int) -> PackedRows:
    examples = []
    for name, example in _examples(context, block):
        if len(example[0]) <= block.row_tokens:
            examples.append(example)
        elif not block.drop_longer:
            raise ValueError(
                f"{name} has {len(example[0])} tokens, more than row_tokens "
                f"{block.row_tokens}; raise it, or set drop_longer"
            )
    rows = pack_examples(examples, block.row_tokens, seed)
    if len(rows.tokens) < block.rows:
        raise ValueError(
            f"{len(examples)} examples fill {len(rows.tokens)} rows, fewer than one update of "
            f"{block.rows}; lower rows or row_tokens"
        )
    return rows


def _examples(
    context: Context, block: ConfigDict
) -> Iterator[tuple[str, tuple[list[int], list[bool]]]]:
    """(what it is, ids and whether each is trained) of every example."""
    if block.data:
        entries = read_examples(data_path(context, block.data))
        for place, entry in enumerate(entries[: block.examples or None], start=1):
            yield f"example {place} of {block.data}", encode_worked_example(context, entry)
        return
    size = context.task.size(block.split)
    count = block.examples or size
    if count > size:
        raise ValueError(f"examples {count} exceeds the {size} problems of {block.split!r}")
    for index in range(count):
        problem = context.task.problem(block.split, index)
        if problem.solution is None:
            raise ValueError(f"problem {problem.id} has no solution to imitate")
        yield f"problem {problem.id}", context.tooling.example(context.tokenizer, problem)
