"""Reinforcement learning with verified answers.

One step: problems -> completions -> verdicts -> rewards -> Rollouts -> the optional fields that
the block's functions ask for -> shapers -> filters -> advantages -> update. Each function is
chosen by dotted name in the block.
"""

from reasoning_jax.stages.rl.checks import validate
from reasoning_jax.stages.rl.config import default_config
from reasoning_jax.stages.rl.stage import run

__all__ = ["default_config", "run", "validate"]
