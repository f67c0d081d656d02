"""Reward models that are trained beside a policy: their losses and what they score.

Device functions are pure; ``steps`` is of the host.
"""

from reasoning_jax.rewards.implicit import implicit_loss, implicit_token_rewards
from reasoning_jax.rewards.judge import judge_loss, judged_steps, step_share
from reasoning_jax.rewards.outcome import outcome_loss
from reasoning_jax.rewards.ranking import (
    group_pairs,
    group_ranking_loss,
    ranking_accuracy,
    ranking_slopes,
)

__all__ = [
    "group_pairs",
    "group_ranking_loss",
    "implicit_loss",
    "implicit_token_rewards",
    "judge_loss",
    "judged_steps",
    "outcome_loss",
    "ranking_accuracy",
    "ranking_slopes",
    "step_share",
]
