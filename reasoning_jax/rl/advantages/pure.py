"""PURE's advantages of min-form step rewards and a verified outcome (arXiv 2504.15275).

``step_rewards`` are scores of a process reward model, ``rewards`` the verified outcome. The three
baselines are those of the authors' code, where the choice of one is a finding: a baseline per
step rewards writing fewer, longer steps.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.rloo import rloo
from reasoning_jax.rl.returns import returns_to_go
from reasoning_jax.rl.softmin import softmin_rewards
from reasoning_jax.rl.steps import (
    at_step_ends,
    over_steps,
    require_steps,
    steps_taking_part,
    tokens_per_step,
)
from reasoning_jax.rl.token_rewards import at_last_token
from reasoning_jax.rl.whiten import whiten
from reasoning_jax.types import Rollouts


def pure(rollouts: Rollouts, *, temperature: float = 0.1, outcome_coef: float = 1.0) -> jax.Array:
    """Sum to come of softmin rewards less the others' reward per token; [B, T] float32.

    The baseline of a step is (sum of the others' totals / sum of their tokens) times the step's
    tokens. ``outcome_coef`` times the outcome less the others' mean is added to all. Tokens of
    a step share its return. 0 in a group of one.
    """
    transformed = _softmin(rollouts, temperature)
    group = rollouts.group_ids, rollouts.row_mask
    tokens = tokens_per_step(rollouts)
    totals = groups.mean_of_others(transformed.sum(axis=1), *group)
    lengths = groups.mean_of_others(tokens.sum(axis=1), *group)
    per_token = totals / jnp.where(lengths > 0, lengths, 1)
    return _step_returns(rollouts, transformed - per_token[:, None] * tokens, outcome_coef)


def pure_step(
    rollouts: Rollouts, *, temperature: float = 0.1, outcome_coef: float = 1.0
) -> jax.Array:
    """``pure`` with the mean over the others of their reward per step as the step's baseline."""
    transformed = _softmin(rollouts, temperature)
    group = rollouts.group_ids, rollouts.row_mask
    steps = jnp.maximum(steps_taking_part(rollouts).sum(axis=1), 1)
    per_step = groups.mean_of_others(transformed.sum(axis=1) / steps, *group)
    return _step_returns(rollouts, transformed - per_step[:, None], outcome_coef)


def pure_capped(
    rollouts: Rollouts, *, max_length: int, temperature: float = 0.1, outcome_coef: float = 1.0
) -> jax.Array:
    """Token returns less the others' summed returns / (their number · max_length); [B, T].

    ``max_length`` is the generation cap in tokens, whatever the width of this batch. Softmin
    rewards stand at ends of steps, ``outcome_coef`` times the outcome on the last token.
    """
    mask = rollouts.loss_mask
    rewards = at_step_ends(_softmin(rollouts, temperature), rollouts)
    rewards += outcome_coef * at_last_token(rollouts.rewards, mask)
    returns = returns_to_go(rewards, mask)
    group = rollouts.group_ids, rollouts.row_mask
    baseline = groups.mean_of_others(returns.sum(axis=1), *group) / max_length
    compared = groups.size(*group) > 1
    advantages = jnp.where(mask & compared[:, None], returns - baseline[:, None], 0)
    return jax.lax.stop_gradient(advantages.astype(jnp.float32))


def pure_capped_whitened(
    rollouts: Rollouts, *, max_length: int, temperature: float = 0.1, outcome_coef: float = 1.0
) -> jax.Array:
    """``pure_capped``, whitened over the sampled tokens of the batch; [B, T] float32."""
    centred = pure_capped(
        rollouts, max_length=max_length, temperature=temperature, outcome_coef=outcome_coef
    )
    return whiten(centred, rollouts.loss_mask).astype(jnp.float32)


def _softmin(rollouts: Rollouts, temperature: float) -> jax.Array:
    require_steps(rollouts, "PURE")
    present = steps_taking_part(rollouts)
    return softmin_rewards(rollouts.step_rewards, present, temperature=temperature)


def _step_returns(rollouts: Rollouts, credits: jax.Array, outcome_coef: float) -> jax.Array:
    group = rollouts.group_ids, rollouts.row_mask
    credits = jnp.where(steps_taking_part(rollouts), credits, 0)
    to_come = jax.lax.cumsum(credits, axis=1, reverse=True)
    tokens = over_steps(to_come, rollouts, jnp.zeros_like(to_come[:, 0]))
    compared = rollouts.loss_mask & (groups.size(*group) > 1)[:, None]
    advantages = jnp.where(compared, tokens + outcome_coef * rloo(rollouts), 0)
    return jax.lax.stop_gradient(advantages.astype(jnp.float32))
