"""Reward shapers: Rollouts -> Rollouts with other ``rewards`` or ``token_rewards``.

They are applied in order before filters and advantages; the arithmetic is that of
``reasoning_jax.rl.rewards``. Raise MissingField where a field they read is None.
"""

import jax

from reasoning_jax.rl import rewards
from reasoning_jax.rl.kl import k1
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def soft_overlong(rollouts: Rollouts, *, max_length: int, cache: int) -> Rollouts:
    """Adds DAPO's penalty of the row's sampled tokens (arXiv 2503.14476, equation 13)."""
    lengths = rollouts.mask.sum(axis=1)
    penalty = rewards.soft_overlong(lengths, max_length=max_length, cache=cache)
    return rollouts.replace(rewards=at_least_float32(rollouts.rewards) + penalty)


def unfinished(rollouts: Rollouts, *, value: float = -1.0) -> Rollouts:
    """``value`` in place of the reward of rows cut at the length limit (T1, arXiv 2501.11651)."""
    shaped = rewards.overwrite(rollouts.rewards, ~rollouts.finished, value=value)
    return rollouts.replace(rewards=shaped)


def verified_and_finished(
    rollouts: Rollouts, *, right: float = 10.0, unfinished: float = -10.0
) -> Rollouts:
    """Tulu 3's reward of the verdict and the end of sequence (arXiv 2411.15124)."""
    shaped = rewards.verified_and_finished(
        rollouts.correct, rollouts.finished, right=right, unfinished=unfinished
    )
    return rollouts.replace(rewards=shaped)


def graded(rollouts: Rollouts, *, partial: float = 0.1) -> Rollouts:
    """ReFT's reward, some credit for an answer that can be read (arXiv 2401.08967)."""
    require(rollouts, "graded", "extracted")
    shaped = rewards.graded(rollouts.correct, rollouts.extracted, partial=partial)
    return rollouts.replace(rewards=shaped)


def otc(rollouts: Rollouts, *, scale: float = 1.0, smoothing: float = 1.0) -> Rollouts:
    """OTC-GRPO's reward against the group's fewest calls (arXiv 2504.14870)."""
    require(rollouts, "otc", "tool_calls")
    group = rollouts.group_ids, rollouts.row_mask
    shaped = rewards.otc(
        rollouts.tool_calls, rollouts.correct, *group, scale=scale, smoothing=smoothing
    )
    return rollouts.replace(rewards=shaped)


def otc_running(rollouts: Rollouts, *, scale: float = 1.0, smoothing: float = 1.0) -> Rollouts:
    """OTC-GRPO's reward against the fewest calls of the problem so far (arXiv 2504.14870).

    The optimum is a minimum over epochs, not of one group, whose luck is often worse.
    """
    require(rollouts, "otc_running", "tool_calls", "fewest_calls")
    shaped = rewards.otc_against(
        rollouts.tool_calls,
        rollouts.correct,
        rollouts.fewest_calls,
        rollouts.row_mask,
        scale=scale,
        smoothing=smoothing,
    )
    return rollouts.replace(rewards=shaped)


def otc_few_calls(rollouts: Rollouts, *, smoothing: float = 1.0) -> Rollouts:
    """The reward times OTC-PPO's cos(m π / (2m + c)) of m calls (arXiv 2504.14870)."""
    require(rollouts, "otc_few_calls", "tool_calls")
    factor = rewards.few_calls(rollouts.tool_calls, smoothing=smoothing)
    return rollouts.replace(rewards=at_least_float32(rollouts.rewards) * factor)


def cluster_share(rollouts: Rollouts) -> Rollouts:
    """EMPO's reward without labels: how often the answer recurs (arXiv 2504.05812).

    An answer that cannot be read is a cluster of its own and earns 0.
    """
    require(rollouts, "cluster_share", "clusters", "extracted")
    share = rewards.cluster_share(rollouts.clusters, rollouts.group_ids, rollouts.row_mask)
    return rollouts.replace(rewards=share * rollouts.extracted)


def shaped_by_verdict(rollouts: Rollouts, *, alpha: float = 0.5) -> Rollouts:
    """Qwen2.5-Math's reward, a model's score under the verdict (arXiv 2409.12122)."""
    require(rollouts, "shaped_by_verdict", "model_rewards")
    shaped = rewards.shaped_by_verdict(rollouts.model_rewards, rollouts.correct, alpha=alpha)
    return rollouts.replace(rewards=shaped)


def judged(rollouts: Rollouts) -> Rollouts:
    """``step_scores`` of a trained judge in place of the labels in ``step_rewards``."""
    require(rollouts, "judged", "step_scores", "step_rewards")
    return rollouts.replace(step_rewards=rollouts.step_scores)


def dense(rollouts: Rollouts) -> Rollouts:
    """Unchanged, but asks for ``token_rewards``, for advantages that take them where there are."""
    require(rollouts, "dense", "token_rewards")
    return rollouts


def sequence_kl(rollouts: Rollouts, *, coef: float = 0.05) -> Rollouts:
    """Subtracts coef Σ k1 of the row from its reward: KL in the reward of group baselines."""
    kl = _sampled_kl(rollouts, "sequence_kl").sum(axis=1)
    return rollouts.replace(rewards=at_least_float32(rollouts.rewards) - coef * kl)


def token_kl(rollouts: Rollouts, *, coef: float = 0.05) -> Rollouts:
    """Subtracts coef k1 from each ``token_rewards``: KL in the reward of PPO, ReFT, REINFORCE++."""
    penalty = coef * _sampled_kl(rollouts, "token_kl")
    dense = rollouts.token_rewards
    return rollouts.replace(token_rewards=-penalty if dense is None else dense - penalty)


def _sampled_kl(rollouts: Rollouts, reader: str) -> jax.Array:
    """[B, T] log π_old/π_ref, the sampler's log-probabilities standing in for absent old ones."""
    require(rollouts, reader, "ref_logprobs")
    old = rollouts.old_logprobs
    old = rollouts.sampler_logprobs if old is None else old
    return jax.lax.stop_gradient(k1(old, rollouts.ref_logprobs, rollouts.loss_mask))
