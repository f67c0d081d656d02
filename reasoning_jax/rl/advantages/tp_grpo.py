"""TP-GRPO: rewards of thoughts beside the outcome (arXiv 2507.23317).

A judge marks the steps of the thinking. In a right solution a mark means that the step is right,
in a wrong one that it leads to the wrong answer ("matched"). The answer that follows the steps
always counts as marked.
"""

import itertools

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.rl.steps import over_steps, require_steps
from reasoning_jax.types import Rollouts


def tp_grpo(
    rollouts: Rollouts, *, alpha: float = 0.5, ddof: int = 1, eps: float = 1e-6
) -> jax.Array:
    """With r_o the GRPO advantage: r_o on marked tokens; on others r_o - α acc where the solution
    is right, 0 where it is wrong; [B, T] float32.

    acc is the share of the group that is right. This is what the sums to come of
    ``thought_rewards`` amount to (propositions 1 and 2). ``step_rewards`` hold the marks, 1 or
    0; ``correct`` says which solutions are right. Constant groups keep r_o = 0 exactly.

    Raises:
      MissingField: a step field is None.
    """
    require_steps(rollouts, "tp_grpo")
    group = rollouts.group_ids, rollouts.row_mask
    outcome = groups.standardise(rollouts.rewards, *group, ddof=ddof, eps=eps)
    right = rollouts.correct == 1
    accuracy = groups.mean(right, *group)
    marked = over_steps(rollouts.step_rewards, rollouts, jnp.ones_like(outcome)) > 0.5
    unmarked = jnp.where(right, outcome - alpha * accuracy, 0)
    advantages = jnp.where(marked, outcome[:, None], unmarked[:, None])
    advantages = jnp.where(rollouts.loss_mask, at_least_float32(advantages), 0)
    return jax.lax.stop_gradient(advantages.astype(jnp.float32))


def merge_steps(marks: list[int]) -> list[tuple[int, int, int]]:
    """Runs of equal marks as thoughts: (first step, last step, mark)."""
    thoughts, start = [], 0
    for mark, run in itertools.groupby(marks):
        end = start + len(list(run))
        thoughts.append((start, end - 1, mark))
        start = end
    return thoughts


def thought_rewards(
    thought_marks: list[int], *, outcome: float, right: bool, process: float
) -> tuple[list[int], list[float]]:
    """Marks and rewards of the units: the thoughts and the answer, merged where marks are equal.

    Args:
      thought_marks: alternating, as of ``merge_steps``.
      outcome: r_o, the normalised outcome.
      right: whether the solution is.
      process: r_c = α acc, what a thought of a right solution earns or loses.

    The last unit earns the outcome alone: sums to come then are the stated advantages exactly.
    """
    units = [mark for _, _, mark in merge_steps([*thought_marks, 1])]
    of_marked = process if right else outcome
    rewards = [of_marked if mark else -of_marked for mark in units[:-1]]
    return units, [*rewards, outcome]
