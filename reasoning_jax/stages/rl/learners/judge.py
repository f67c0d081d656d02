"""A process reward model: a head at the ends of steps that learns their labels."""

import functools

import jax
from ml_collections import ConfigDict

from reasoning_jax.models.heads import step_scores
from reasoning_jax.rewards import judge_loss, judged_steps, step_share
from reasoning_jax.rl import weighted_sum
from reasoning_jax.rl.objective import PolicyBatch
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.headed import kept_or_zero_head, save_headed, with_head
from reasoning_jax.stages.rl.learners.learner import Learner, at_once, build_learner
from reasoning_jax.types import Rollouts


def judge(context: Context, block: ConfigDict, seed: int) -> Learner:
    """Fills ``step_scores``; learns once a step."""
    model, settings = context.transformer(), block.judge

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

    return build_learner(
        block,
        "judge",
        "step_scores",
        with_head(context, bias=True),
        first=functools.partial(kept_or_zero_head, context, settings.model),
        score=scores,
        prepare=prepare,
        loss=loss,
        report=report,
        batches=at_once,
        save=functools.partial(save_headed, context),
    )
