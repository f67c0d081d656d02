"""Advantage estimators: Rollouts -> [B, T] float32, 0 off ``loss_mask``, without gradient.

``gae`` takes arrays and gives returns too.
"""

from reasoning_jax.rl.advantages.best_of_group import best_of_group
from reasoning_jax.rl.advantages.dr_grpo import dr_grpo
from reasoning_jax.rl.advantages.gae import gae
from reasoning_jax.rl.advantages.gpg import gpg
from reasoning_jax.rl.advantages.grpo import grpo
from reasoning_jax.rl.advantages.leave_one_out import leave_one_out
from reasoning_jax.rl.advantages.opo import opo
from reasoning_jax.rl.advantages.pass_at_k import pass_at_k
from reasoning_jax.rl.advantages.ppo import ppo
from reasoning_jax.rl.advantages.prime import prime, prime_whitened
from reasoning_jax.rl.advantages.process_grpo import process_grpo
from reasoning_jax.rl.advantages.psr_nsr import nsr, psr, w_reinforce
from reasoning_jax.rl.advantages.pure import pure, pure_capped, pure_capped_whitened, pure_step
from reasoning_jax.rl.advantages.reinforce_plus_plus import reinforce_plus_plus
from reasoning_jax.rl.advantages.reinforce_plus_plus_baseline import reinforce_plus_plus_baseline
from reasoning_jax.rl.advantages.remax import remax
from reasoning_jax.rl.advantages.rloo import rloo
from reasoning_jax.rl.advantages.spread import spread
from reasoning_jax.rl.advantages.t1 import centred_kl, t1
from reasoning_jax.rl.advantages.tempo import prefix_values, tempo
from reasoning_jax.rl.advantages.tp_grpo import merge_steps, thought_rewards, tp_grpo
from reasoning_jax.rl.advantages.value_targets import value_targets

__all__ = [
    "best_of_group",
    "centred_kl",
    "dr_grpo",
    "gae",
    "gpg",
    "grpo",
    "leave_one_out",
    "merge_steps",
    "nsr",
    "opo",
    "pass_at_k",
    "ppo",
    "prefix_values",
    "prime",
    "prime_whitened",
    "process_grpo",
    "psr",
    "pure",
    "pure_capped",
    "pure_capped_whitened",
    "pure_step",
    "reinforce_plus_plus",
    "reinforce_plus_plus_baseline",
    "remax",
    "rloo",
    "spread",
    "t1",
    "tempo",
    "thought_rewards",
    "tp_grpo",
    "value_targets",
    "w_reinforce",
]
