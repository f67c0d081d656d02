"""Qwen2.5-Math's reward model: right above wrong samples of a group."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from reasoning_jax.models.heads import row_rewards
from reasoning_jax.rewards import (
    group_pairs,
    group_ranking_loss,
    ranking_accuracy,
    ranking_slopes,
)
from reasoning_jax.rl.objective import PolicyBatch
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.headed import from_reward_model, save_headed, with_fresh_head, with_head
from reasoning_jax.stages.rl.learners.learner import Learner, at_once, build_learner
from reasoning_jax.types import Rollouts


def ranking(context: Context, block: ConfigDict, seed: int) -> Learner:
    """Fills ``model_rewards``; learns once a step."""
    model, settings = context.transformer(), block.ranking

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

    def first(policy: Any) -> Any:
        if settings.model:
            return from_reward_model(context, policy, settings.model, bias=False)
        return with_fresh_head(context, policy, seed)

    return build_learner(
        block,
        "ranking",
        "model_rewards",
        with_head(context, bias=False),
        first=first,
        score=rewards,
        prepare=prepare,
        loss=loss,
        report=report,
        batches=at_once,
        save=functools.partial(save_headed, context),
    )
