"""Teaches an energy model to rank: right reasoning steps below wrong ones.

The model answers training problems; the task says which steps are right. Of every right and
every wrong step of a batch the loss is softplus(E+ - E-), so energies become a process score.
What it is worth is measured on held-out answers of the model as it was before: ranking changes the
energies that the model writes by.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.models.energy import ranking_loss, step_energies, token_energies
from reasoning_jax.parallel import put_batch
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.blocks import (
    build_optimizer,
    build_schedule,
    check_context,
    check_rows,
    optimizer_block,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.judging import (
    check_judging,
    judge,
    judging_block,
    write_answers,
)
from reasoning_jax.stages.energy.rows import step_rows
from reasoning_jax.stages.loop import Schedule, StepResult, begin, run_loop
from reasoning_jax.stages.stage import Stage
from reasoning_jax.text import split_steps
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update
from reasoning_jax.training.step_size import spare_step_size, with_step_size_rate


def default_config() -> ConfigDict:
    """The stage's block."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.energy.rank"
    block.split = "train"
    block.problems = 500  # the first so many of the split
    block.n = 4  # answers of the model to each
    block.max_tokens = 32
    block.temperature = 1.0
    block.separator = ","  # ends a reasoning step
    block.most_steps = 16  # of an answer; those beyond are not ranked
    block.row_tokens = 128
    block.rows = 32  # answers per update; pairs are made within them
    block.steps = 100
    block.optimizer = optimizer_block(peak=3e-4, warmup_steps=10)
    block.log_every = 10
    block.evaluate_every = 0  # besides the one at the end
    block.checkpoint_every = 0
    block.evaluation = judging_block()
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    if context.energy is None:
        raise ValueError("the run has no energy model; set config.energy.landscapes")
    check_rows(context, block.rows, 1, "rows")
    build_optimizer(block.optimizer)
    size = context.task.size(block.split)
    if not 1 <= block.problems <= size or block.n < 1 or block.steps < 1:
        raise ValueError(
            f"problems {block.problems} of {size}, n {block.n} and steps {block.steps} must be at "
            "least 1"
        )
    for index in range(min(block.problems, 32)):
        problem = context.task.problem(block.split, index)
        check_context(context, problem, block.max_tokens)
        context.task.step_labels(problem, problem.solution or "")
    check_judging(context, block.evaluation)


def run(stage: Stage, params: dict | None) -> dict:
    """Samples once with the parameters the stage begins with, then trains on the steps."""
    context, block = stage.context, stage.config
    first = context.restore(stage.first_number) if params is None else params
    rows = _labelled(stage, first)
    batches = index_batches(len(rows.tokens), block.rows, stage.seed(1))
    # What ranks is not what steps by: the step size stays.
    optimizer = with_step_size_rate(
        build_optimizer(block.optimizer, around_decay=spare_step_size), 0.0
    )
    schedule = build_schedule(block.optimizer)

    def loss(params: dict, batch: _Steps) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        energies = token_energies(context.energy, params, batch.tokens, batch.segment_ids)
        of_steps = step_energies(energies, batch.steps, block.most_steps)
        return rank_all(of_steps, batch.labels)

    update = make_update(
        context.trainable,
        optimizer,
        prepare=lambda batch: batch,
        loss=loss,
        report=lambda batch, rows: {"ranked": rows[0][0], "pairs": rows[1][0]},
    )

    def advance(state: TrainState, indices: np.ndarray, step: int) -> tuple[TrainState, StepResult]:
        batch = put_batch(jax.tree.map(lambda x: x[indices], rows), context.mesh)
        state, metrics = update(state, batch)
        metrics = {f"train/{name}": value for name, value in metrics.items()}
        metrics["train/lr"] = schedule(step)
        return state, StepResult(metrics, [], int(rows.segment_ids[indices].sum()))

    answers = write_answers(context, block.evaluation, first)
    metrics_of = judge(context, block.evaluation)
    position = run_loop(
        stage,
        # Answers are sampled again from what the stage began with when it is taken up.
        begin(stage, params, optimizer, batches, {"keep": [stage.first_number]}),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        lambda state: Evaluation(metrics_of(state.params, answers), []),
    )
    stage.finish(position.step, position.state.params, keep=(stage.first_number,))
    return position.state.params


@struct.dataclass
class _Steps:
    """StepRows, and ``labels`` [B, S]: 1 right, 0 wrong, -1 no such step."""

    tokens: jax.Array
    segment_ids: jax.Array
    steps: jax.Array
    labels: jax.Array


def rank_all(
    energies: jax.Array, labels: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Mean ranking loss over every pair of a right and a wrong step of the batch.

    Args:
      energies: [B, S].
      labels: [B, S] 1 right, 0 wrong, -1 no such step.

    Returns:
      The loss, and for each row [B], the same for all: share of pairs in the right order, pairs.
    """
    e, label = energies.reshape(-1), labels.reshape(-1)
    pairs = (label == 1)[:, None] & (label == 0)[None]
    count = jnp.maximum(pairs.sum(), 1)
    losses = jnp.where(pairs, ranking_loss(e[:, None], e[None]), 0)
    ordered = jnp.sum(pairs & (e[:, None] < e[None])) / count
    ones = jnp.ones(len(labels))
    return losses.sum() / count, (ones * ordered, ones * pairs.sum())


def _labelled(stage: Stage, params: dict) -> _Steps:
    """The model's answers, their steps labelled by the task; ValueError if none can be."""
    context, block = stage.context, stage.config
    problems = [context.task.problem(block.split, i) for i in range(block.problems)]
    sampling = SamplingParams(
        max_tokens=block.max_tokens,
        temperature=block.temperature,
        n=block.n,
        seed=stage.seed(0),
    )
    outs = context.sampler(params).generate([p.prompt for p in problems], sampling)
    prompts, responses, labels = [], [], []
    for problem, completions in zip(problems, outs):
        for completion in completions:
            found = context.task.step_labels(problem, completion.text).correct
            if not found or len(found) != len(split_steps(completion.text, block.separator)):
                continue  # not cut as the task cuts it: nothing is known of its steps
            some = list(found[: block.most_steps])
            prompts.append(problem.prompt)
            responses.append(completion.text)
            labels.append([*map(int, some), *[-1] * (block.most_steps - len(some))])
    if len(labels) < block.rows:
        raise ValueError(
            f"{len(labels)} of {sum(map(len, outs))} answers have steps that the task can judge, "
            f"fewer than a batch of {block.rows}; raise problems or n, or check separator "
            f"{block.separator!r}"
        )
    shape = (len(prompts), block.row_tokens)
    rows = step_rows(context.tokenizer, prompts, responses, block.separator, shape)
    return _Steps(rows.tokens, rows.segment_ids, rows.steps, np.array(labels, np.int32))
