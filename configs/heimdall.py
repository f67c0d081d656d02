"""Heimdall (arXiv 2504.10337): RL that makes a verifier.

A problem and a solution are read, the problem is worked anew and a verdict is written; right
verdicts earn 1, wrong ones -1. Half of the solutions shown are right, so that no problem gives its
label away (the paper leaves out problems always or never solved).

  python -m launch.train --config=configs/heimdall.py --workdir=DIR

Variants, after a colon: heimdall (PPO's clipped surrogate without a critic: GRPO in place of the
paper's PPO), small (for continuous integration). pass@1 is the accuracy of one verdict, maj@8 that
of eight. Figures: docs/systems/heimdall.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

VARIANTS = ("heimdall",)


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("heimdall", variant, VARIANTS)
    config = chains(f"heimdall:{variant or chosen}", __doc__, small)
    base = config.task_options.to_dict() | ({} if small else {"length": 4})
    config.task = "reasoning_jax.rewards.verdicts:Verdicts"
    config.task_options = ConfigDict({"base": "modchain", "base_options": base})
    config.sft.row_tokens = 96
    config.sft.gate.metric = ""
    config.sft.steps = 300 if small else 1_200
    config.rl.guard.start = 0.0 if small else 0.5  # chance
    config.rl.reward = named("reasoning_jax.verify.rewards.signed_outcome")
    config.lock()
    return config
