"""Rewards as one number per token, for estimators that give credit along the row."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.kl import k1
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def at_last_token(row_values: jax.Array, mask: jax.Array) -> jax.Array:
    """[B] values -> [B, T]: each on the last token of its row where ``mask``, 0 elsewhere.

    The last sampled token, that is, whatever tool results or padding follow it.
    """
    later = jax.lax.cumsum(mask.astype(jnp.int32), axis=1, reverse=True)
    last = mask & (later == 1)
    return jnp.where(last, at_least_float32(row_values)[:, None], 0)


def token_rewards(rollouts: Rollouts, *, kl_coef: float = 0.0) -> jax.Array:
    """The outcome on the last token + ``token_rewards`` - kl_coef k1; [B, T], no gradient.

    k1 is log π_old/π_ref of the policy that sampled (arXiv 2203.02155, equation 2); without old
    log-probabilities the sampler's stand for them. A dense reward that is None counts as 0.

    Raises:
      MissingField: ``kl_coef`` is not 0 and there are no reference log-probabilities.
    """
    mask = rollouts.loss_mask
    rewards = at_last_token(rollouts.rewards, mask)
    if rollouts.token_rewards is not None:
        rewards += jnp.where(mask, at_least_float32(rollouts.token_rewards), 0)
    if kl_coef:
        require(rollouts, f"kl_coef {kl_coef}", "ref_logprobs")
        old = rollouts.old_logprobs
        old = rollouts.sampler_logprobs if old is None else old
        rewards -= kl_coef * k1(old, rollouts.ref_logprobs, mask)
    return jax.lax.stop_gradient(rewards)
