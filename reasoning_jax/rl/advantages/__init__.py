"""Advantage estimators: Rollouts -> [B, T] float32, 0 off ``loss_mask``, without gradient."""

from reasoning_jax.rl.advantages.dr_grpo import dr_grpo
from reasoning_jax.rl.advantages.grpo import grpo
from reasoning_jax.rl.advantages.process_grpo import process_grpo
from reasoning_jax.rl.advantages.rloo import rloo
from reasoning_jax.rl.advantages.spread import spread

__all__ = ["dr_grpo", "grpo", "process_grpo", "rloo", "spread"]
