"""Reinforcement learning as pure functions of a ``Rollouts`` batch.

One update is: rewards, then ``shapers``, a row filter, ``advantages``, then one of
``policy_losses`` plus KL and entropy terms, each a [B, T] array of token losses; ``weighted_sum``
with the weights of one aggregation makes the scalar. A function that reads an optional field of
``Rollouts`` asks for it with ``require``; a stage fills what is asked for.
"""

from reasoning_jax.rl import advantages, controllers, groups, policy_losses, rewards, shapers
from reasoning_jax.rl.aggregate import (
    seq_mean_token_mean,
    seq_mean_token_sum,
    token_mean,
    token_sum_constant,
    weighted_sum,
)
from reasoning_jax.rl.diagnostics import policy_scalars, rollout_scalars
from reasoning_jax.rl.entropy import entropy_bonus
from reasoning_jax.rl.filters import (
    accuracy_band,
    apply_filter,
    cluster_entropy_band,
    finished,
    judged,
    nonzero_variance,
    right,
    wrong,
)
from reasoning_jax.rl.implicit_reward import outcome_cross_entropy, scale_by_largest_return
from reasoning_jax.rl.kl import k1, k2, k3
from reasoning_jax.rl.listwise import listwise_loss
from reasoning_jax.rl.needs import MissingField, require
from reasoning_jax.rl.numerics import at_least_float32, importance_ratio, log_ratio
from reasoning_jax.rl.reference import follow
from reasoning_jax.rl.returns import returns_to_go
from reasoning_jax.rl.sampler_correction import (
    masked_importance,
    truncated_importance,
    truncated_sequence_importance,
    uncorrected,
)
from reasoning_jax.rl.softmin import future_minimum, score_of_logits, softmin_rewards
from reasoning_jax.rl.token_rewards import at_last_token, token_rewards
from reasoning_jax.rl.value_loss import value_loss
from reasoning_jax.rl.whiten import whiten

__all__ = [
    "MissingField",
    "accuracy_band",
    "advantages",
    "apply_filter",
    "at_last_token",
    "at_least_float32",
    "cluster_entropy_band",
    "controllers",
    "entropy_bonus",
    "finished",
    "follow",
    "future_minimum",
    "groups",
    "importance_ratio",
    "judged",
    "k1",
    "k2",
    "k3",
    "listwise_loss",
    "log_ratio",
    "masked_importance",
    "nonzero_variance",
    "outcome_cross_entropy",
    "policy_losses",
    "policy_scalars",
    "require",
    "returns_to_go",
    "rewards",
    "right",
    "rollout_scalars",
    "scale_by_largest_return",
    "score_of_logits",
    "seq_mean_token_mean",
    "seq_mean_token_sum",
    "shapers",
    "softmin_rewards",
    "token_mean",
    "token_rewards",
    "token_sum_constant",
    "truncated_importance",
    "truncated_sequence_importance",
    "uncorrected",
    "value_loss",
    "weighted_sum",
    "whiten",
    "wrong",
]
