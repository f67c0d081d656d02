"""Pass@k training with analytic advantages (arXiv 2508.10751)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.types import Rollouts


def pass_at_k(rollouts: Rollouts, *, k: int) -> jax.Array:
    """The advantage of a row averaged over all subsets of k samples of its group, [B, T] float32.

    A subset earns 1 if one of it is right. With N samples, W wrong ones, pass@k
    R = 1 - C(W, k)/C(N, k) and σ = √(R (1 - R)): right rows get (1 - R)/σ, wrong ones
    (1 - R - C(W-1, k-1)/C(N-1, k-1))/σ. Reads ``correct``; 0 where all subsets earn the same
    or the group is smaller than k. k = 1 is GRPO with the population deviation.

    Raises:
      ValueError: ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; it counts samples and is at least 1")
    judged = rollouts.row_mask & (rollouts.correct != -1)
    group = rollouts.group_ids, judged
    size = groups.size(*group)
    wrong = size - jnp.round(size * groups.mean(rollouts.correct == 1, *group))

    all_wrong = _ratio(wrong, size, k)
    others_wrong = _ratio(wrong - 1, size - 1, k - 1)
    scale = jnp.sqrt(all_wrong * (1 - all_wrong))
    deviation = jnp.where(rollouts.correct == 1, all_wrong, all_wrong - others_wrong)
    teaches = judged & (scale > 0) & (size >= k)
    advantages = jnp.where(teaches, deviation / jnp.where(teaches, scale, 1), 0)
    return spread(advantages, rollouts.loss_mask)


def _ratio(chosen: jax.Array, total: jax.Array, k: int) -> jax.Array:
    """C(chosen, k) / C(total, k) for arrays of whole numbers."""
    taken = jnp.arange(k)[:, None]
    factors = jnp.maximum(chosen - taken, 0) / jnp.maximum(total - taken, 1)
    return jnp.prod(factors, axis=0)
