"""Trains a reward model on scored answers, from the policy's weights; the policy stays as it is.

Qwen2.5-Math's ranks right above wrong answers to a problem (arXiv 2409.12122); ReFT's reranker
judges each alone (arXiv 2401.08967). The model is kept in ``WORKDIR/kept/`` under the stage's
name, in Hugging Face's layout, where later stages find it: ``choose``, the curator ``BestScored``,
and RL (``rl.ranking.model``, ``rl.critic.model``).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from reasoning_jax.evals.choosing import pair_accuracy
from reasoning_jax.evals.run import Evaluation
from reasoning_jax.functions import function
from reasoning_jax.models.heads import row_rewards
from reasoning_jax.parallel import put_batch, to_host
from reasoning_jax.preference import ScoredBatch, pair_mean
from reasoning_jax.preference.pairs import read_scored, write_scored
from reasoning_jax.rl import weighted_sum
from reasoning_jax.stages.blocks import build_optimizer, check_rows, named, optimizer_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.headed import (
    check_reward_model,
    check_start,
    from_reward_model,
    save_headed,
    with_fresh_head,
    with_head,
)
from reasoning_jax.stages.keep import kept_folder
from reasoning_jax.stages.loop import Schedule, StepResult, run_loop
from reasoning_jax.stages.responses import build_source, check_loss, stored
from reasoning_jax.stages.rl.state import RLState, begin
from reasoning_jax.stages.scored import scored_rows
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update
from reasoning_jax.training.trainable import Trainable

_NAME = "model"  # of the trained model in the stage's state


def default_config() -> ConfigDict:
    """The stage's block: a listwise model of six answers to each problem."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.reward_model"
    # what makes the answers; or reasoning_jax.stages.sources.scored.ScoredFile with a path
    block.source = named("reasoning_jax.stages.sources.scored.SampledScored", n=6, most=6)
    # (scores, right, mask, all [B, K]) -> [B]; or reasoning_jax.rewards.outcome_loss
    block.loss = named("reasoning_jax.rl.listwise_loss")
    block.right = 0.5  # an answer of so high a score or more is right
    # What it begins as: a reward model of an earlier stage, or a folder; empty is the policy with
    # a new head.
    block.model = ""
    block.max_length = 256  # tokens of prompt and answer; longer ones are cut ...
    block.max_context = 128  # ... to so many last tokens of the prompt, then at the end
    block.prompts = 32  # groups per update
    block.micro_batches = 1
    block.held_out = 64  # groups to measure by, the last ones; at most a fifth of them
    block.steps = 100
    block.optimizer = optimizer_block(peak=3e-4, warmup_steps=10)
    block.log_every = 10
    block.evaluate_every = 50
    block.checkpoint_every = 0  # besides those after every evaluation
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError or FileNotFoundError."""
    check_rows(context, block.prompts, block.micro_batches, "prompts")
    build_optimizer(block.optimizer)
    if block.steps < 1 or block.held_out < 0:
        raise ValueError(f"steps {block.steps}, held_out {block.held_out}: 1 and 0 are the least")
    if not 0 < block.max_context < block.max_length <= context.model.max_position:
        raise ValueError(
            f"max_context {block.max_context} and max_length {block.max_length}: the first must "
            f"be below the second, and that at most the context {context.model.max_position}"
        )
    floats = jax.ShapeDtypeStruct((block.prompts, 4), "float32")
    flags = jax.ShapeDtypeStruct((block.prompts, 4), "bool")
    check_loss(block, (floats, flags, flags), (block.prompts,))
    if block.model:
        check_start(context, block.model)
        check_reward_model(context, block.model)
    build_source(block).validate(context)


def run(stage: Stage, params: dict | None) -> dict:
    """Trains and keeps the reward model; returns the policy's parameters unchanged."""
    context, block = stage.context, stage.config
    policy = params if params is not None else context.restore(stage.first_number)
    rows, held_out = _rows(stage, policy)
    part = _Part(context, block, stage.seed(2))
    batches = index_batches(len(rows.row_mask), block.prompts, stage.seed(1))
    update = _update(context, block, part)

    def advance(state: RLState, indices: np.ndarray, step: int) -> tuple[RLState, StepResult]:
        batch = jax.tree.map(lambda x: x[indices], rows)
        trained, metrics = update(
            state.learners[_NAME], put_batch(batch, context.mesh), context.frozen
        )
        metrics = {f"train/{name}": value for name, value in metrics.items()}
        result = StepResult(metrics, [], int(batch.lengths.sum()))
        return state.replace(learners={_NAME: trained}), result

    scores = jax.jit(
        lambda trained, frozen, rows: _scores(
            context, part.trainable.assemble(trained, frozen), rows
        )
    )

    def measure(state: RLState) -> Evaluation:
        found = [
            to_host(
                scores(state.learners[_NAME].params, context.frozen, put_batch(some, context.mesh))
            )
            for some in _batches(held_out, block.prompts)
        ]
        right = held_out.there & (held_out.scores >= block.right)
        found = np.concatenate(found)[: len(right)]
        accuracy = pair_accuracy(found, right, held_out.there)
        return Evaluation({"eval/pair_accuracy": accuracy, "eval/groups": len(right)}, [])

    # The first checkpoint stays while the stage runs: answers are the policy's.
    kept = {"keep": [stage.first_number]}
    position = run_loop(
        stage,
        # The policy takes no part: a state that is that of its parameters alone.
        begin(stage, params, optax.set_to_zero(), {_NAME: part}, batches, kept, moving=False),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        measure if len(held_out.row_mask) and block.evaluate_every else None,
    )
    state = position.state
    merged = part.trainable.merge(state.learners[_NAME].params, context.frozen)
    save_headed(context, kept_folder(context, stage.name), merged)
    stage.finish(position.step, state.params, (stage.first_number,))
    return state.params


class _Part:
    """What of the reward model is trained, how, and where it begins."""

    def __init__(self, context: Context, block: ConfigDict, seed: int):
        self.trainable: Trainable = with_head(context, bias=False)
        self.optimizer = build_optimizer(block.optimizer)
        self._context, self._name, self._seed = context, block.model, seed

    def first(self, policy: Any) -> dict:
        """The model at its start, of what is trained of the policy."""
        if self._name:
            return from_reward_model(self._context, policy, self._name, bias=False)
        return with_fresh_head(self._context, policy, self._seed)


def _rows(stage: Stage, policy: dict) -> tuple[ScoredBatch, ScoredBatch]:
    """Groups to learn from, and groups to measure by."""
    context, block = stage.context, stage.config
    make = functools.partial(build_source(block).scored, context, policy, stage.seed(0))
    entries = stored(stage, 0, make, read_scored, write_scored)
    apart = min(block.held_out, len(entries) // 5)
    learnt, held_out = entries[: len(entries) - apart], entries[len(entries) - apart :]
    if len(learnt) < block.prompts:
        raise RuntimeError(
            f"{stage.name}: the source gives {len(entries)} groups with right and wrong answers, "
            f"too few to hold out {apart} and take {block.prompts} at once; give it more problems"
        )
    return scored_rows(context, block, learnt), scored_rows(context, block, held_out)


def _scores(context: Context, params: dict, rows: ScoredBatch) -> jax.Array:
    """[B, K] scores of the answers, 0 where there is none."""
    width = rows.tokens.shape[-1]
    tokens, lengths = rows.tokens.reshape(-1, width), rows.lengths.reshape(-1)
    hidden = context.transformer().apply({"params": params["model"]}, tokens, method="hidden")
    scores = row_rewards(params["head"], hidden, lengths).reshape(rows.there.shape)
    return jnp.where(rows.there, scores, 0)


def _update(
    context: Context, block: ConfigDict, part: _Part
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """(state, rows, frozen) -> (state, metrics): the mean of the losses over groups."""
    of_groups = function(block.loss, "loss")

    def prepare(rows: ScoredBatch) -> ScoredBatch:
        return rows.replace(weights=pair_mean(rows.row_mask))

    def loss(params: dict, rows: ScoredBatch) -> tuple[jax.Array, jax.Array]:
        scores = _scores(context, params, rows)
        losses = of_groups(scores, rows.scores >= block.right, rows.counted)
        return weighted_sum(losses, rows.weights), scores

    def report(rows: ScoredBatch, scores: jax.Array) -> dict[str, jax.Array]:
        right = rows.scores >= block.right
        pairs = (right & rows.counted)[:, :, None] & (~right & rows.counted)[:, None, :]
        ordered = pairs & (scores[:, :, None] > scores[:, None, :])
        return {"accuracy": ordered.sum() / jnp.maximum(pairs.sum(), 1)}

    return make_update(
        part.trainable,
        part.optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )


def _batches(rows: ScoredBatch, size: int):
    """Parts of one size, the last filled up with rows from the start: one shape, one program."""
    count = len(rows.row_mask)
    for first in range(0, count, size):
        members = np.arange(first, first + size) % count
        yield jax.tree.map(lambda x, members=members: x[members], rows)
