"""Scalars that tell whether an RL run is healthy. Padding and rows that are out never show."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups, kl
from reasoning_jax.rl.aggregate import token_mean, weighted_sum
from reasoning_jax.rl.numerics import importance_ratio, log_ratio
from reasoning_jax.types import Rollouts

Scalars = dict[str, jax.Array]


def policy_scalars(
    rollouts: Rollouts,
    logprobs: jax.Array,
    advantages: jax.Array,
    weights: jax.Array,
    clip_ends: tuple[float, float] | None,
) -> Scalars:
    """How the current policy stands to the one that sampled, over one optimiser batch.

    Args:
      rollouts: ``old_logprobs`` None means one update per batch: the current ones.
        ``ref_logprobs`` None leaves out ``kl``.
      logprobs: [B, T] under the current policy.
      advantages: [B, T].
      weights: [B, T] token weights of the whole optimiser batch, for the ratio's mean, the clip
        fractions and the KL; ``token_mean`` makes them means over tokens.
      clip_ends: lower and upper end at which the policy loss clips token ratios, or None for a
        loss that does not.
    """
    old_logprobs = logprobs if rollouts.old_logprobs is None else rollouts.old_logprobs
    mask = rollouts.loss_mask
    scalars = ratio_scalars(logprobs, old_logprobs, mask, weights)
    scalars |= logprob_gap_scalars(old_logprobs, rollouts.sampler_logprobs, mask)
    scalars["advantage_abs_mean"] = weighted_sum(jnp.abs(advantages), weights)
    if clip_ends is not None:
        low, high = clip_ends
        scalars |= clip_scalars(
            logprobs, old_logprobs, advantages, mask, weights, low=low, high=high
        )
    if rollouts.ref_logprobs is not None:
        scalars["kl"] = weighted_sum(kl.k3(logprobs, rollouts.ref_logprobs, mask), weights)
    return scalars


def ratio_scalars(
    logprobs: jax.Array, old_logprobs: jax.Array, mask: jax.Array, weights: jax.Array
) -> Scalars:
    """How far the policy moved; inputs are [B, T], the extremes are 1 without any token."""
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    any_token = mask.any()
    return {
        "ratio_min": jnp.where(any_token, jnp.min(ratio, where=mask, initial=jnp.inf), 1),
        "ratio_mean": weighted_sum(ratio, weights),
        "ratio_max": jnp.where(any_token, jnp.max(ratio, where=mask, initial=0), 1),
    }


def clip_scalars(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    weights: jax.Array,
    *,
    low: float,
    high: float,
) -> Scalars:
    """The share of tokens that clipping holds, at each end.

    A token is held low where A < 0 and ρ < 1 - low, high where A > 0 and ρ > 1 + high.
    """
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    held_low = (advantages < 0) & (ratio < 1 - low)
    held_high = (advantages > 0) & (ratio > 1 + high)
    return {
        "clip_low": weighted_sum(held_low, weights),
        "clip_high": weighted_sum(held_high, weights),
    }


def logprob_gap_scalars(
    logprobs: jax.Array, sampler_logprobs: jax.Array, mask: jax.Array
) -> Scalars:
    """|trainer - sampler| log-probability of the same tokens, in nats; 0 when both agree."""
    gap = jnp.abs(log_ratio(logprobs, sampler_logprobs, mask))
    return {
        "logprob_gap_mean": weighted_sum(gap, token_mean(mask)),
        "logprob_gap_max": jnp.max(gap, initial=0),
    }


def rollout_scalars(rollouts: Rollouts) -> Scalars:
    """Rewards, lengths in sampled tokens, and shares of truncated rows and zero-variance groups."""
    row_mask = rollouts.row_mask
    lengths = rollouts.mask.sum(axis=1)
    size = groups.size(rollouts.group_ids, row_mask)
    group_share = jnp.where(row_mask, 1 / jnp.maximum(size, 1), 0)  # sums to 1 over a group
    constant = groups.constant(rollouts.rewards, rollouts.group_ids, row_mask)
    reward = _row_mean(rollouts.rewards, row_mask)
    return {
        "reward": reward,
        "reward_sd": jnp.sqrt(_row_mean(jnp.square(rollouts.rewards - reward), row_mask)),
        "zero_variance_groups": weighted_sum(constant, group_share)
        / jnp.maximum(group_share.sum(), 1),
        "truncated": _row_mean(~rollouts.finished, row_mask),
        "length": _row_mean(lengths, row_mask),
        "length_finished": _row_mean(lengths, row_mask & rollouts.finished),
    }


def _row_mean(values: jax.Array, row_mask: jax.Array) -> jax.Array:
    return weighted_sum(values, row_mask / jnp.maximum(row_mask.sum(), 1))
