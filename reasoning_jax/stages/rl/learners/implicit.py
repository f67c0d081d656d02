"""PRIME's implicit process reward model: a second policy that learns from verdicts."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from reasoning_jax.models import load_model, save_hf, token_logprobs
from reasoning_jax.parallel import is_main_process
from reasoning_jax.rewards import implicit_loss, implicit_token_rewards
from reasoning_jax.rewards.implicit import judged_share
from reasoning_jax.rl.objective import PolicyBatch
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.keep import source_folder
from reasoning_jax.stages.rl.learners.learner import Learner, at_once, build_learner
from reasoning_jax.types import Rollouts


def implicit(context: Context, block: ConfigDict, seed: int) -> Learner:
    """Fills ``token_rewards``; learns once a step."""
    model, settings = context.transformer(), block.implicit

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
        losses, hits = implicit_loss(found, batch.rollouts, beta=settings.beta)
        return jnp.sum(losses * batch.shares), hits

    def report(batch: PolicyBatch, hits: jax.Array) -> dict[str, jax.Array]:
        return {"accuracy": jnp.sum(hits * batch.shares)}

    def first(policy: Any) -> Any:
        if not settings.model:
            return policy
        return load_model(source_folder(context, settings.model), context.mesh, jnp.float32)[1]

    def save(folder: pathlib.Path, merged: dict) -> None:
        if is_main_process():
            context.tokenizer.save(folder)
        save_hf(folder, context.model, merged)

    return build_learner(
        block,
        "implicit",
        "token_rewards",
        context.trainable,
        first=first,
        score=token_rewards,
        prepare=prepare,
        loss=loss,
        report=report,
        batches=at_once,
        save=save,
    )
