"""Policy losses: (logprobs, old_logprobs, advantages, mask) -> token losses, all [B, T].

``clip_cov`` and ``kl_cov`` also take which tokens of the whole batch they single out.
"""

from reasoning_jax.rl.policy_losses.cispo import cispo
from reasoning_jax.rl.policy_losses.clip import clip, clipped_surrogate
from reasoning_jax.rl.policy_losses.clip_cov import clip_cov
from reasoning_jax.rl.policy_losses.covariance import (
    covariances,
    covariances_in_band,
    highest_covariances,
)
from reasoning_jax.rl.policy_losses.dual_clip import dual_clip
from reasoning_jax.rl.policy_losses.gmpo import gmpo
from reasoning_jax.rl.policy_losses.gspo import gspo
from reasoning_jax.rl.policy_losses.kl_cov import kl_cov
from reasoning_jax.rl.policy_losses.reinforce import reinforce
from reasoning_jax.rl.policy_losses.sapo import sapo
from reasoning_jax.rl.policy_losses.sequence_clip import sequence_clip
from reasoning_jax.rl.policy_losses.topr import topr

__all__ = [
    "cispo",
    "clip",
    "clip_cov",
    "clipped_surrogate",
    "covariances",
    "covariances_in_band",
    "dual_clip",
    "gmpo",
    "gspo",
    "highest_covariances",
    "kl_cov",
    "reinforce",
    "sapo",
    "sequence_clip",
    "topr",
]
