"""The objective of one update: a policy loss, a KL and an entropy term, and their weights."""

import dataclasses
from collections.abc import Callable

import jax
from flax import struct

from reasoning_jax.rl.aggregate import weighted_sum
from reasoning_jax.rl.entropy import entropy_bonus
from reasoning_jax.types import Rollouts


@struct.dataclass
class PolicyBatch:
    """Rollouts with what is computed from the whole batch before it is cut.

    Attributes:
      rollouts: the rows.
      advantages: [B, T] float32.
      weights: [B, T] float32 share of each token in the loss.
      shares: [B] float32 share of each row in the tokens of the batch.
    """

    rollouts: Rollouts
    advantages: jax.Array
    weights: jax.Array
    shares: jax.Array | None = None


@dataclasses.dataclass(frozen=True)
class Objective:
    """Token losses added up; every part is a function from its own file.

    Attributes:
      policy_loss: (logprobs, old_logprobs, advantages, mask) -> [B, T].
      kl: (logprobs, ref_logprobs, mask) -> [B, T]; not called when kl_coef is 0.
      kl_coef, entropy_coef: multipliers of the two terms.
    """

    policy_loss: Callable[..., jax.Array]
    kl: Callable[..., jax.Array]
    kl_coef: float = 0.0
    entropy_coef: float = 0.0

    def __call__(self, logprobs: jax.Array, entropy: jax.Array, batch: PolicyBatch) -> jax.Array:
        """Scalar loss of rows whose current log-probabilities and entropies are [B, T].

        Without old log-probabilities the policy is its own: one update per batch.
        """
        rollouts, mask = batch.rollouts, batch.rollouts.loss_mask
        old = rollouts.old_logprobs
        old = jax.lax.stop_gradient(logprobs) if old is None else old
        losses = self.policy_loss(logprobs, old, batch.advantages, mask)
        if self.kl_coef:
            losses += self.kl_coef * self.kl(logprobs, rollouts.ref_logprobs, mask)
        if self.entropy_coef:
            losses += self.entropy_coef * entropy_bonus(entropy, mask)
        return weighted_sum(losses, batch.weights)
