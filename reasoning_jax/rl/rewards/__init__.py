"""Rewards as arrays: what is added up into ``Rollouts.rewards``, and how answers are scored."""

from reasoning_jax.rl.rewards.empo import (
    cluster_answers,
    cluster_entropy,
    cluster_share,
    entropy_band,
)
from reasoning_jax.rl.rewards.graded import graded
from reasoning_jax.rl.rewards.heimdall import pessimistic_scores, verdict_reward
from reasoning_jax.rl.rewards.otc import (
    few_calls,
    fewest_calls,
    optimal_calls,
    otc,
    otc_against,
    tool_productivity,
)
from reasoning_jax.rl.rewards.overwrite import overwrite
from reasoning_jax.rl.rewards.qwen_math import shaped_by_verdict
from reasoning_jax.rl.rewards.r1_style import r1_style
from reasoning_jax.rl.rewards.soft_overlong import soft_overlong
from reasoning_jax.rl.rewards.tulu import verified_and_finished

__all__ = [
    "cluster_answers",
    "cluster_entropy",
    "cluster_share",
    "entropy_band",
    "few_calls",
    "fewest_calls",
    "graded",
    "optimal_calls",
    "otc",
    "otc_against",
    "overwrite",
    "pessimistic_scores",
    "r1_style",
    "shaped_by_verdict",
    "soft_overlong",
    "tool_productivity",
    "verdict_reward",
    "verified_and_finished",
]
