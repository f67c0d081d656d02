"""T1: outcome and KL, each less the mean of the others (arXiv 2501.11651)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.rloo import rloo
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.rl.kl import k1
from reasoning_jax.rl.needs import require
from reasoning_jax.types import Rollouts


def t1(rollouts: Rollouts, *, kl_coef: float = 2e-4) -> jax.Array:
    """LOO(reward) - kl_coef LOO(KL) on the row's sampled tokens, [B, T] float32.

    The KL of a row is the sum over its tokens of log π_old/π_ref; without old log-probabilities
    the sampler's stand for them.

    Raises:
      MissingField: there are no reference log-probabilities.
    """
    require(rollouts, "t1", "ref_logprobs")
    old = rollouts.old_logprobs
    old = rollouts.sampler_logprobs if old is None else old
    kl = k1(old, rollouts.ref_logprobs, rollouts.loss_mask).sum(axis=1)
    return rloo(rollouts) - kl_coef * centred_kl(kl, rollouts)


def centred_kl(row_kl: jax.Array, rollouts: Rollouts) -> jax.Array:
    """KL of the row less the mean of the others', on its sampled tokens; [B] -> [B, T]."""
    group = rollouts.group_ids, rollouts.row_mask
    size = groups.size(*group)
    deviation = groups.deviation(row_kl, *group)
    return spread(size / jnp.maximum(size - 1, 1) * deviation, rollouts.loss_mask)
