"""PRIME: dense implicit rewards and outcomes, each against the others (arXiv 2502.01456).

``token_rewards`` are those of the implicit reward model, ``rewards`` the outcomes.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.advantages.rloo import rloo
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.rl.returns import returns_to_go
from reasoning_jax.rl.whiten import whiten
from reasoning_jax.types import Rollouts


def prime(rollouts: Rollouts, *, gamma: float = 1.0) -> jax.Array:
    """Σ_{s≥t} γ^{s-t} (r_s - mean over others of their mean r) + RLOO of outcomes.

    [B, T] float32; 0 in a group of one.

    Raises:
      MissingField: there are no token rewards.
    """
    rewards, means = _rewards_and_means(rollouts)
    group = rollouts.group_ids, rollouts.row_mask
    centred = rewards - groups.mean_of_others(means, *group)[:, None]
    return _with_outcome(rollouts, centred, gamma)


def prime_whitened(rollouts: Rollouts, *, gamma: float = 1.0) -> jax.Array:
    """As the authors' code has it: r_s G/(G-1) - Σ_j mean r_j/(G-1), then whitened over tokens.

    The centring differs from the paper's by (r_s - mean r_i)/(G-1), which sums to 0 over a row.
    """
    rewards, means = _rewards_and_means(rollouts)
    group = rollouts.group_ids, rollouts.row_mask
    size = groups.size(*group)
    centred = (rewards - groups.mean(means, *group)[:, None]) * (size / jnp.maximum(size - 1, 1))[
        :, None
    ]
    advantages = _with_outcome(rollouts, centred, gamma)
    return whiten(advantages, rollouts.loss_mask).astype(jnp.float32)


def _rewards_and_means(rollouts: Rollouts) -> tuple[jax.Array, jax.Array]:
    require(rollouts, "PRIME", "token_rewards")
    mask = rollouts.loss_mask
    rewards = jnp.where(mask, at_least_float32(rollouts.token_rewards), 0)
    return rewards, rewards.sum(axis=1) / jnp.maximum(mask.sum(axis=1), 1)


def _with_outcome(rollouts: Rollouts, centred: jax.Array, gamma: float) -> jax.Array:
    mask = rollouts.loss_mask
    compared = groups.size(rollouts.group_ids, rollouts.row_mask) > 1
    returns = returns_to_go(jnp.where(compared[:, None], centred, 0), mask, gamma=gamma)
    return jax.lax.stop_gradient((returns + rloo(rollouts)).astype(jnp.float32))
