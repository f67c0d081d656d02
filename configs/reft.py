"""ReFT (arXiv 2401.08967): PPO on the questions of the warm-up, against more imitation.

Terminal reward 1 for a right answer and 0.1 for a wrong one that can be read, KL to the warm-up in
the reward of every token (0.05, as for its natural language), GAE with lambda 0.95, two passes over
a batch, mean over answers of the mean over tokens.

  python -m launch.train --config=configs/reft.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/reft.py --out=DIR

Variants, after a colon: reft, sft (imitation goes on for 600 updates instead), whole (reft with the
reward of right answers alone); ``small`` instead or behind is for continuous integration. The
critic has weights of its own, not the policy's trunk; its loss has its own optimiser in place of
the factor 5. Figures: docs/systems/reft.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("reft", "sft", "whole")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("reft", variant, VARIANTS)
    config = chains(f"reft:{variant or chosen}", __doc__, small)
    if chosen == "sft":
        _imitate_on(config, small)
    else:
        _reft(config.rl, small)
    if chosen == "reft":
        config.rl.shapers = ("reasoning_jax.rl.shapers.graded", *config.rl.shapers)
    config.lock()
    return config


def _reft(rl: ConfigDict, small: bool) -> None:
    rl.shapers = (named("reasoning_jax.rl.shapers.token_kl", coef=0.05),)
    rl.advantage = named("reasoning_jax.rl.advantages.ppo", gamma=1.0, lam=0.95)
    rl.aggregate = named("reasoning_jax.rl.seq_mean_token_mean")
    rl.critic.aggregate = named("reasoning_jax.rl.seq_mean_token_mean")
    rl.updates, rl.passes = 2, 2
    rl.optimizer.schedule.peak = 2e-4  # as in configs/grpo_family.py
    rl.head_start = 2 if small else 10


def _imitate_on(config: ConfigDict, small: bool) -> None:
    """A second stage of imitation in the place of RL."""
    before, evaluation = config.sft, config.evaluate_rl
    del config["rl"], config["evaluate_rl"]
    config.stages = ("sft", "evaluate_sft")
    more = add_stage(config, "rl", "reasoning_jax.stages.sft")
    more.update({key: before[key] for key in ("examples", "row_tokens", "rows", "evaluation")})
    more.steps = 100 if small else 600
    config.evaluate_rl = evaluation
    config.stages = (*config.stages, "evaluate_rl")
