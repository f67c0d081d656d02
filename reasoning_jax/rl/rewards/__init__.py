"""Rule rewards as arrays: what is added up into ``Rollouts.rewards``."""

from reasoning_jax.rl.rewards.r1_style import r1_style
from reasoning_jax.rl.rewards.soft_overlong import soft_overlong

__all__ = ["r1_style", "soft_overlong"]
