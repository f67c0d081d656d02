"""Policy losses: (logprobs, old_logprobs, advantages, mask) -> token losses, all [B, T]."""

from reasoning_jax.rl.policy_losses.clip import clip, clipped_surrogate
from reasoning_jax.rl.policy_losses.dual_clip import dual_clip
from reasoning_jax.rl.policy_losses.gspo import gspo
from reasoning_jax.rl.policy_losses.reinforce import reinforce

__all__ = ["clip", "clipped_surrogate", "dual_clip", "gspo", "reinforce"]
