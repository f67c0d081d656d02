"""Scalars that tell whether an RL run is healthy. Padding and rows that are out never show."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups, kl
from reasoning_jax.rl.aggregate import token_mean, weighted_sum
from reasoning_jax.rl.numerics import importance_ratio, log_ratio
from reasoning_jax.types import Rollouts

Scalars = dict[str, jax.Array]


def diagnostics(
    rollouts: Rollouts,
    logprobs: jax.Array,
    advantages: jax.Array,
    weights: jax.Array,
    *,
    low: float = 0.2,
    high: float = 0.2,
) -> Scalars:
    """All scalars below, from one batch and the current ``logprobs`` [B, T].

    Args:
      rollouts: ``old_logprobs`` None means one update per batch: the current ones.
        ``ref_logprobs`` None leaves out ``kl``.
      logprobs: [B, T] under the current policy.
      advantages: [B, T].
      weights: [B, T] token weights of the whole optimiser batch, for the ratio's mean, the clip
        fractions and the KL; ``token_mean`` makes them means over tokens.
      low: lower clip end, as the policy loss has it.
      high: upper clip end.
    """
    old_logprobs = logprobs if rollouts.old_logprobs is None else rollouts.old_logprobs
    mask = rollouts.loss_mask
    scalars = rollout_scalars(rollouts)
    scalars |= ratio_scalars(logprobs, old_logprobs, advantages, mask, weights, low=low, high=high)
    scalars |= logprob_gap_scalars(old_logprobs, rollouts.sampler_logprobs, mask)
    if rollouts.ref_logprobs is not None:
        scalars["kl"] = weighted_sum(kl.k3(logprobs, rollouts.ref_logprobs, mask), weights)
    return scalars


def ratio_scalars(
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
    weights: jax.Array,
    *,
    low: float,
    high: float,
) -> Scalars:
    """How far the policy moved, and the share of tokens that clipping holds, at each end.

    A token is held low where A < 0 and ρ < 1 - low, high where A > 0 and ρ > 1 + high. Inputs
    are [B, T]; the ratio's extremes are 1 without any token.
    """
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    held_low = (advantages < 0) & (ratio < 1 - low)
    held_high = (advantages > 0) & (ratio > 1 + high)
    any_token = mask.any()
    return {
        "ratio_min": jnp.where(any_token, jnp.min(ratio, where=mask, initial=jnp.inf), 1),
        "ratio_mean": weighted_sum(ratio, weights),
        "ratio_max": jnp.where(any_token, jnp.max(ratio, where=mask, initial=0), 1),
        "clip_low": weighted_sum(held_low, weights),
        "clip_high": weighted_sum(held_high, weights),
        "advantage_abs_mean": weighted_sum(jnp.abs(advantages), weights),
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
