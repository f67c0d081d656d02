"""The objective of one update: a policy loss, a KL and an entropy term, and their weights."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from flax import struct

from reasoning_jax.rl.aggregate import weighted_sum
from reasoning_jax.rl.entropy import entropy_bonus
from reasoning_jax.rl.sampler_correction import uncorrected
from reasoning_jax.types import Rollouts


@struct.dataclass
class PolicyBatch:
    """Rollouts with what is computed from the whole batch before it is cut.

    Attributes:
      rollouts: the rows.
      advantages: [B, T] float32.
      weights: [B, T] float32 share of each token in the loss.
      shares: [B] float32 share of each row in the tokens of the batch.
      selected: [B, T] bool tokens of which the policy loss makes something else, or None.
      targets: [B, T] float32 that value estimates are fitted to, or None.
      kl_coef, entropy_coef: [B] float32 multipliers of the terms, the same on every row since
        a batch is cut by rows; None leaves the term out.
      packed: the same completions as the model is to see them; None as they stand in the rows.
    """

    rollouts: Rollouts
    advantages: jax.Array
    weights: jax.Array
    shares: jax.Array | None = None
    selected: jax.Array | None = None
    targets: jax.Array | None = None
    kl_coef: jax.Array | None = None
    entropy_coef: jax.Array | None = None
    packed: Any = None


@dataclasses.dataclass(frozen=True)
class Objective:
    """Token losses added up; every part is a function from its own file.

    Attributes:
      policy_loss: (logprobs, old_logprobs, advantages, mask) -> [B, T], and ``selected`` where
        the batch has it.
      kl: (logprobs, ref_logprobs, mask) -> [B, T]; not called without a coefficient.
      correction: (old_logprobs, sampler_logprobs, mask) -> [B, T] factor of the policy loss.
    """

    policy_loss: Callable[..., jax.Array]
    kl: Callable[..., jax.Array]
    correction: Callable[..., jax.Array] = uncorrected

    def __call__(self, logprobs: jax.Array, entropy: jax.Array, batch: PolicyBatch) -> jax.Array:
        """Scalar loss of rows whose current log-probabilities and entropies are [B, T].

        Without old log-probabilities the policy is its own: one update per batch.
        """
        rollouts, mask = batch.rollouts, batch.rollouts.loss_mask
        old = rollouts.old_logprobs
        old = jax.lax.stop_gradient(logprobs) if old is None else old
        selected = {} if batch.selected is None else {"selected": batch.selected}
        losses = self.policy_loss(logprobs, old, batch.advantages, mask, **selected)
        losses *= self.correction(old, rollouts.sampler_logprobs, mask)
        if batch.kl_coef is not None:
            kl = self.kl(logprobs, rollouts.ref_logprobs, mask)
            losses += batch.kl_coef[:, None] * kl
        if batch.entropy_coef is not None:
            losses += batch.entropy_coef[:, None] * entropy_bonus(entropy, mask)
        return weighted_sum(losses, batch.weights)
