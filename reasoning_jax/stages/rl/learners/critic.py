"""A value model: the policy's architecture with a scalar head."""

import functools
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models.heads import prior_values
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.rl.objective import PolicyBatch
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.headed import kept_or_zero_head, save_headed, with_head
from reasoning_jax.stages.rl.learners.learner import Learner, build_learner, in_parts
from reasoning_jax.types import Rollouts


def critic(context: Context, block: ConfigDict, seed: int) -> Learner:
    """Fills ``values``; fitted to the targets of every update."""
    model, settings = context.transformer(), block.critic
    value_loss = function(settings.loss, "critic.loss")
    aggregate = function(settings.aggregate, "critic.aggregate")

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

    return build_learner(
        block,
        "critic",
        "values",
        with_head(context, bias=True),
        first=functools.partial(kept_or_zero_head, context, settings.model),
        score=values,
        prepare=prepare,
        loss=loss,
        report=report,
        batches=in_parts,
        save=functools.partial(save_headed, context),
    )


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


def explained(values: jax.Array, targets: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """How much of the targets' variance over ``mask`` the values explain: 1 all, 0 or less none."""
    weights = token_mean(mask)

    def variance(x: jax.Array) -> jax.Array:
        mean = weighted_sum(x, weights)
        return weighted_sum(jnp.square(jnp.where(mask, x, 0) - mean), weights)

    total, left = variance(targets), variance(jnp.where(mask, targets - values, 0))
    share = jnp.where(total > 0, 1 - left / jnp.where(total > 0, total, 1), 0)
    return {"explained_variance": share, "value_mean": weighted_sum(values, weights)}
