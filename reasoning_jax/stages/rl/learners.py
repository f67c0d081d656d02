"""Models that learn beside the policy and fill a field of Rollouts.

A critic fills ``values``, an implicit reward model ``token_rewards``, a ranking model
``model_rewards``, a judge of steps ``step_scores``. Each starts from the parameters the stage
begins with; under adapters it is other adapters over the same base.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import token_logprobs
from reasoning_jax.models.heads import (
    init_head,
    prior_values,
    row_rewards,
    step_scores,
    zero_head,
)
from reasoning_jax.parallel import put_replicated, replicated
from reasoning_jax.rewards import (
    group_pairs,
    group_ranking_loss,
    implicit_loss,
    implicit_token_rewards,
    judge_loss,
    judged_steps,
    ranking_accuracy,
    ranking_slopes,
    step_share,
)
from reasoning_jax.rewards.implicit import judged_share
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.rl.objective import PolicyBatch
from reasoning_jax.stages.blocks import build_optimizer
from reasoning_jax.stages.context import Context
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update
from reasoning_jax.training.trainable import Trainable
from reasoning_jax.types import Rollouts


@dataclasses.dataclass(frozen=True)
class Learner:
    """One such model.

    Attributes:
      field: of Rollouts, which it fills.
      trainable: what of it is trained.
      optimizer: of its updates.
      first: (what is trained of the policy) -> what is trained of this model at its start.
      score: jitted (trained, frozen, rollouts) -> the field.
      update: (TrainState, batch, frozen) -> (TrainState, metrics).
      batches: (whole batch, parts of the policy's updates) -> the batches it learns of.
      until: steps after which it does not learn; 0 is never.
    """

    field: str
    trainable: Trainable
    optimizer: optax.GradientTransformation
    first: Callable[[Any], Any]
    score: Callable[[Any, Any, Rollouts], jax.Array]
    update: Callable[..., tuple[TrainState, dict[str, jax.Array]]]
    batches: Callable[[PolicyBatch, list[PolicyBatch]], list[PolicyBatch]]
    until: int = 0


def build_learners(
    context: Context, block: ConfigDict, fields: tuple[str, ...], seed: int
) -> dict[str, Learner]:
    """The learners whose fields are asked for, by the name of their block.

    Args:
      seed: of fresh heads.
    """
    learners = {}
    if "values" in fields:
        learners["critic"] = _critic(context, block)
    if "token_rewards" in fields:
        learners["implicit"] = _implicit(context, block)
    if "model_rewards" in fields:
        learners["ranking"] = _ranking(context, block, seed)
    if "step_scores" in fields:
        learners["judge"] = _judge(context, block)
    return learners


def bound_targets(block: ConfigDict) -> Callable[[Rollouts], jax.Array]:
    """What the critic is fitted to, with keywords of its own before those of the advantage."""
    targets = function(block.critic.targets, "critic.targets")
    accepted = inspect.signature(targets).parameters
    shared = {
        key: value
        for key, value in block.advantage.items()
        if key in accepted and key not in block.critic.targets
    }
    return functools.partial(targets, **shared) if shared else targets


def _critic(context: Context, block: ConfigDict) -> Learner:
    model, critic = context.transformer(), block.critic
    value_loss = function(critic.loss, "critic.loss")
    aggregate = function(critic.aggregate, "critic.aggregate")
    trainable = _with_head(context, {"kernel": (context.model.d_model, 1), "bias": (1,)})

    def values(params: dict, rollouts: Rollouts) -> jax.Array:
        hidden = model.apply({"params": params["model"]}, rollouts.tokens, method="hidden")
        return prior_values(params["head"], hidden)

    def prepare(batch: PolicyBatch) -> PolicyBatch:
        return batch.replace(weights=aggregate(batch.rollouts.loss_mask))

    def loss(params: dict, batch: PolicyBatch) -> tuple[jax.Array, jax.Array]:
        rollouts, found = batch.rollouts, values(params, batch.rollouts)
        losses = value_loss(found, rollouts.values, batch.targets, rollouts.loss_mask)
        return weighted_sum(losses, batch.weights), found

    def report(batch: PolicyBatch, found: jax.Array) -> dict[str, jax.Array]:
        return explained(batch.rollouts.values, batch.targets, batch.rollouts.loss_mask)

    optimizer = build_optimizer(critic.optimizer)
    update = make_update(
        trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )

    first = functools.partial(_with_zero_head, context)
    return Learner(
        "values", trainable, optimizer, first, _scorer(trainable, values), update, _parts
    )


def explained(values: jax.Array, targets: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """How much of the targets' variance over ``mask`` the values explain: 1 all, 0 or less none."""
    weights = token_mean(mask)

    def variance(x: jax.Array) -> jax.Array:
        mean = weighted_sum(x, weights)
        return weighted_sum(jnp.square(jnp.where(mask, x, 0) - mean), weights)

    total, left = variance(targets), variance(jnp.where(mask, targets - values, 0))
    share = jnp.where(total > 0, 1 - left / jnp.where(total > 0, total, 1), 0)
    return {"explained_variance": share, "value_mean": weighted_sum(values, weights)}


def _implicit(context: Context, block: ConfigDict) -> Learner:
    model, trainable = context.transformer(), context.trainable

    def logprobs(params: dict, rollouts: Rollouts) -> jax.Array:
        scores = token_logprobs(
            model,
            params,
            rollouts.tokens,
            scored=rollouts.mask,
            temperature=block.temperature,
        )
        return scores.logprobs

    def token_rewards(params: dict, rollouts: Rollouts) -> jax.Array:
        return implicit_token_rewards(logprobs(params, rollouts), rollouts)

    def prepare(batch: PolicyBatch) -> PolicyBatch:
        return batch.replace(shares=judged_share(batch.rollouts))

    def loss(params: dict, batch: PolicyBatch) -> tuple[jax.Array, jax.Array]:
        found = logprobs(params, batch.rollouts)
        losses, hits = implicit_loss(found, batch.rollouts, beta=block.implicit.beta)
        return jnp.sum(losses * batch.shares), hits

    def report(batch: PolicyBatch, hits: jax.Array) -> dict[str, jax.Array]:
        return {"accuracy": jnp.sum(hits * batch.shares)}

    optimizer = build_optimizer(block.implicit.optimizer)
    update = make_update(
        trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )
    score = _scorer(trainable, token_rewards)
    return Learner("token_rewards", trainable, optimizer, _same, score, update, _whole)


def _ranking(context: Context, block: ConfigDict, seed: int) -> Learner:
    model = context.transformer()
    trainable = _with_head(context, {"kernel": (context.model.d_model, 1)})

    def rewards(params: dict, rollouts: Rollouts) -> jax.Array:
        hidden = model.apply({"params": params["model"]}, rollouts.tokens, method="hidden")
        return row_rewards(params["head"], hidden, rollouts.lengths)

    def pairs(rollouts: Rollouts) -> jax.Array:
        judged = rollouts.row_mask & (rollouts.correct != -1)
        return group_pairs(rollouts.correct == 1, rollouts.group_ids, judged)

    def prepare(batch: PolicyBatch) -> PolicyBatch:
        slopes = ranking_slopes(batch.rollouts.model_rewards, pairs(batch.rollouts))
        return batch.replace(shares=slopes)

    def loss(params: dict, batch: PolicyBatch) -> tuple[jax.Array, jax.Array]:
        found = rewards(params, batch.rollouts)
        return jnp.sum(jnp.where(batch.shares != 0, found, 0) * batch.shares), found

    def report(batch: PolicyBatch, found: jax.Array) -> dict[str, jax.Array]:
        weights = pairs(batch.rollouts)
        return {
            "ranking_loss": group_ranking_loss(found, weights),
            "accuracy": ranking_accuracy(found, weights),
            "ranked": weights.sum(),
        }

    optimizer = build_optimizer(block.ranking.optimizer)
    update = make_update(
        trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )

    def first(policy: Any) -> Any:
        head = init_head(jax.random.key(seed), context.model.d_model)
        return {"model": policy, "head": put_replicated(jax.device_get(head), context.mesh)}

    score = _scorer(trainable, rewards)
    until = block.ranking.until
    return Learner("model_rewards", trainable, optimizer, first, score, update, _whole, until)


def _judge(context: Context, block: ConfigDict) -> Learner:
    model = context.transformer()
    trainable = _with_head(context, {"kernel": (context.model.d_model, 1), "bias": (1,)})

    def log_odds(params: dict, rollouts: Rollouts) -> jax.Array:
        hidden = model.apply({"params": params["model"]}, rollouts.tokens, method="hidden")
        return step_scores(params["head"], hidden, rollouts.step_ends, rollouts.step_mask)

    def scores(params: dict, rollouts: Rollouts) -> jax.Array:
        return judged_steps(log_odds(params, rollouts))

    def prepare(batch: PolicyBatch) -> PolicyBatch:
        return batch.replace(weights=step_share(batch.rollouts))

    def loss(params: dict, batch: PolicyBatch) -> tuple[jax.Array, jax.Array]:
        losses, hits = judge_loss(log_odds(params, batch.rollouts), batch.rollouts)
        return weighted_sum(losses, batch.weights), hits

    def report(batch: PolicyBatch, hits: jax.Array) -> dict[str, jax.Array]:
        return {"accuracy": weighted_sum(hits, batch.weights)}

    optimizer = build_optimizer(block.judge.optimizer)
    update = make_update(
        trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )

    first = functools.partial(_with_zero_head, context)
    score, until = _scorer(trainable, scores), block.judge.until
    return Learner("step_scores", trainable, optimizer, first, score, update, _whole, until)


def _with_zero_head(context: Context, policy: Any) -> Any:
    """What a model with a head begins with: the policy's weights and a head of zeros."""
    head = put_replicated(jax.device_get(zero_head(context.model.d_model)), context.mesh)
    return {"model": policy, "head": head}


def _with_head(context: Context, shapes: dict[str, tuple[int, ...]]) -> Trainable:
    """What is trained of a model with a head: what is trained of the policy, and the head."""
    of_model = context.trainable
    whole = replicated(context.mesh)
    return Trainable(
        {
            "model": of_model.abstract,
            "head": {k: jax.ShapeDtypeStruct(s, jnp.float32) for k, s in shapes.items()},
        },
        {"model": of_model.shardings, "head": dict.fromkeys(shapes, whole)},
        context.mesh,
        assemble=lambda trained, frozen: {
            "model": of_model.assemble(trained["model"], frozen),
            "head": trained["head"],
        },
        assemble_update=lambda trained, frozen, step: {
            "model": of_model.assemble_update(trained["model"], frozen, step),
            "head": trained["head"],
        },
        merge=lambda trained, frozen: {
            "model": of_model.merge(trained["model"], frozen),
            "head": trained["head"],
        },
    )


def _scorer(trainable: Trainable, score: Callable[[dict, Rollouts], jax.Array]) -> Callable:
    return jax.jit(
        lambda trained, frozen, rollouts: score(trainable.assemble(trained, frozen), rollouts)
    )


def _same(policy: Any) -> Any:
    return policy


def _parts(whole: PolicyBatch, parts: list[PolicyBatch]) -> list[PolicyBatch]:
    return parts


def _whole(whole: PolicyBatch, parts: list[PolicyBatch]) -> list[PolicyBatch]:
    return [whole]
