"""GRPO with a reward per step (arXiv 2402.03300, section 4.1.3)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.steps import require_steps
from reasoning_jax.types import Rollouts


def process_grpo(rollouts: Rollouts, *, ddof: int = 1, eps: float = 1e-6) -> jax.Array:
    """Sum of the standardised rewards of the steps that end at or after the token.

    The step rewards of all samples of a group are pooled and standardised together. Reads
    ``step_rewards``, ``step_ends`` and ``step_mask`` [B, S]; returns [B, T] float32. Exactly 0
    where all step rewards of the group are equal, and in a group of one sample, which has
    nothing to be compared with.

    Raises:
      MissingField: a step field is None.
    """
    require_steps(rollouts, "process_grpo")
    compared = groups.size(rollouts.group_ids, rollouts.row_mask) > 1
    step_mask = rollouts.step_mask & compared[:, None]
    group_ids = jnp.broadcast_to(rollouts.group_ids[:, None], step_mask.shape)
    pooled = rollouts.step_rewards.ravel(), group_ids.ravel(), step_mask.ravel()
    standardised = groups.standardise(*pooled, ddof=ddof, eps=eps)

    rows = jnp.arange(len(step_mask))[:, None]
    ends = jnp.where(step_mask, rollouts.step_ends, 0)
    at_end = jnp.zeros(rollouts.mask.shape, standardised.dtype)
    at_end = at_end.at[rows, ends].add(standardised.reshape(step_mask.shape))
    to_come = jax.lax.cumsum(at_end, axis=1, reverse=True)
    advantages = jnp.where(rollouts.loss_mask, to_come, 0)
    return jax.lax.stop_gradient(advantages.astype(jnp.float32))
