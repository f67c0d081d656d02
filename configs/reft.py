"""ReFT (arXiv 2401.08967): PPO on the questions of the warm-up, against more imitation.

Terminal reward 1 for a right answer and 0.1 for a wrong one that can be read, KL to the warm-up in
the reward of every token (0.05, as for its natural language), GAE with lambda 0.95, two passes over
a batch, mean over answers of the mean over tokens.

  python -m launch.train --config=configs/reft.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/reft.py --out=DIR

Variants, after a colon: reft; sft (imitation goes on for 600 updates instead); offline (the same
beside right answers that the warm-up itself wrote); online (imitation of right answers that the
policy writes at each step, no reward and no KL); whole (reft with the reward of right answers
alone); ``small`` instead or behind is for continuous integration. Whichever it is, at the end a
reranker learns from its own answers and chooses among eight, beside their majority. The critic has
weights of its own, not the policy's trunk; its loss has its own optimiser in place of the factor 5.
Figures: docs/systems/reft.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("reft", "sft", "offline", "online", "whole")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("reft", variant, VARIANTS)
    config = chains(f"reft:{variant or chosen}", __doc__, small)
    tokens = config.rl.max_tokens
    if chosen in ("sft", "offline"):
        _imitate_on(config, chosen, small)
    elif chosen == "online":
        _imitate_own(config.rl)
    else:
        _reft(config.rl, small)
    if chosen == "reft":
        config.rl.shapers = ("reasoning_jax.rl.shapers.graded", *config.rl.shapers)
    _rerank(config, tokens, small)
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


def _imitate_own(rl: ConfigDict) -> None:
    """Online self-training: the likelihood of the right answers of each batch."""
    rl.filters = ("reasoning_jax.rl.right",)
    rl.advantage = named("reasoning_jax.rl.advantages.psr")
    rl.policy_loss = named("reasoning_jax.rl.policy_losses.reinforce")
    rl.aggregate = named("reasoning_jax.rl.seq_mean_token_mean")
    rl.optimizer.schedule.peak = 2e-4


def _imitate_on(config: ConfigDict, chosen: str, small: bool) -> None:
    """A second stage of imitation in the place of RL."""
    before, evaluation, tokens = config.sft, config.evaluate_rl, config.rl.max_tokens
    del config["rl"], config["evaluate_rl"]
    config.stages = ("sft", "evaluate_sft")
    if chosen == "offline":
        own = add_stage(config, "own", "reasoning_jax.stages.curate")
        own.curator = named(
            "reasoning_jax.stages.sources.curators.OwnRight",
            problems=500 if small else 4_000,
            n=4,
            max_tokens=tokens,
            most=2,
            solutions=500 if small else 4_000,
        )
    more = add_stage(config, "rl", "reasoning_jax.stages.sft")
    more.update({key: before[key] for key in ("examples", "row_tokens", "rows", "evaluation")})
    if chosen == "offline":
        more.data, more.examples = "own", 0
    more.steps = 100 if small else 600
    config.evaluate_rl = evaluation
    config.stages = (*config.stages, "evaluate_rl")


def _rerank(config: ConfigDict, tokens: int, small: bool) -> None:
    """A model of right and wrong answers, and what it chooses."""
    stage = add_stage(config, "reranker", "reasoning_jax.stages.reward_model")
    stage.source.update({"problems": 400 if small else 4_000, "max_tokens": tokens})
    stage.loss = named("reasoning_jax.rewards.outcome_loss")
    stage.max_length, stage.max_context = 64, 32
    stage.prompts = 16 if small else 32
    stage.steps = 100 if small else 300
    choose = add_stage(config, "choose", "reasoning_jax.stages.choose")
    choose.model, choose.max_tokens = "reranker", tokens
    choose.problems = 64 if small else 512
