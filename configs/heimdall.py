"""Heimdall (arXiv 2504.10337): RL that makes a verifier.

A problem and a solution are read, the problem is worked anew and a verdict is written; right
verdicts earn 1, wrong ones -1. Half of the solutions shown are right, so that no problem gives its
label away (the paper leaves out problems always or never solved).

  python -m launch.train --config=configs/heimdall.py --workdir=DIR

Variants, after a colon: heimdall (PPO's clipped surrogate without a critic: GRPO in place of the
paper's PPO), ppo (with a critic), small (for continuous integration). pass@1 is the accuracy of one
verdict, maj@8 that of eight. ``choose_sft`` and ``choose_rl`` are pessimistic verification before
and after: eight solutions of a solver that errs in four steps of ten, eight verdicts on each.
Figures: docs/systems/heimdall.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("heimdall", "ppo")


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
    if chosen == "ppo":
        config.rl.advantage = named("reasoning_jax.rl.advantages.ppo", gamma=1.0, lam=1.0)
        config.rl.head_start = 2 if small else 10  # of the same number of steps
    stages = []
    for name in config.stages:
        stages.append(name)
        if name.startswith("evaluate_"):
            stages.append(_choose(config, f"choose_{name.removeprefix('evaluate_')}", small))
    config.stages = tuple(stages)
    config.lock()
    return config


def _choose(config: ConfigDict, name: str, small: bool) -> str:
    block = add_stage(config, name, "reasoning_jax.stages.pessimism")
    block.max_tokens = config.evaluate_rl.max_tokens
    block.solver.noise = 0.4
    if small:
        block.problems, block.n, block.solutions = 16, 4, 4
    return name
