"""Qwen2.5-Math in the small: reward models, rejection rounds and shaped GRPO (arXiv 2409.12122).

  sft        imitation of a noisy teacher
  rm         a listwise reward model of six answers to each problem
  best       of the policy's own right answers those that the reward model scores highest
  sft_2      imitation goes on with these
  rm_2       another reward model, of the better policy's answers
  rl         GRPO with sigmoid(score / 2) + (right - 1) from the last reward model, left as it is
  choose     the last reward model's best of 8 answers beside the majority and one answer

  python -m launch.train --config=configs/qwen_math.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/qwen_math.py --out=DIR

Variants, after a colon: two_rounds, one_round (without best, sft_2 and rm_2), outcome (two rounds,
then GRPO on right and wrong alone); ``small`` instead or behind is for continuous integration. KL
1e-3 as we remember the paper. Figures: docs/systems/qwen_math.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("two_rounds", "one_round", "outcome")
_BEFORE, _AFTER = ("sft", "evaluate_sft"), ("rl", "evaluate_rl")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("qwen_math", variant, VARIANTS)
    config = chains(f"qwen_math:{variant or chosen}", __doc__, small)
    config.stages = _BEFORE
    _reward_model(config, "rm", small)
    if chosen != "one_round":
        _round(config, small)
        _reward_model(config, "rm_2", small)
    last = config.stages[-1]
    if chosen != "outcome":
        config.rl.shapers = ("reasoning_jax.rl.shapers.shaped_by_verdict",)
        config.rl.ranking.model, config.rl.ranking.until = last, 0
    config.rl.kl_coef = 1e-3
    config.stages = (*config.stages, *_AFTER)
    choose = add_stage(config, "choose", "reasoning_jax.stages.choose")
    choose.model = last
    choose.max_tokens = config.rl.max_tokens
    choose.problems = 64 if small else 512
    config.lock()
    return config


def _reward_model(config: ConfigDict, name: str, small: bool) -> None:
    stage = add_stage(config, name, "reasoning_jax.stages.reward_model")
    stage.source.update({"problems": 400 if small else 4_000, "max_tokens": config.rl.max_tokens})
    stage.max_length, stage.max_context = 64, 32
    stage.prompts = 16 if small else 32
    stage.steps = 100 if small else 300


def _round(config: ConfigDict, small: bool) -> None:
    """Imitation of the best of the policy's own right answers."""
    best = add_stage(config, "best", "reasoning_jax.stages.curate")
    best.curator = named(
        "reasoning_jax.stages.sources.curators.BestScored",
        model="rm",
        problems=400 if small else 4_000,
        n=6,
        max_tokens=config.rl.max_tokens,
    )
    sft = add_stage(config, "sft_2", "reasoning_jax.stages.sft")
    sft.data = "best"
    sft.row_tokens = config.sft.row_tokens
    sft.rows = 8 if small else 16
    sft.steps = 10 if small else 60
    sft.evaluate_every = 0
    sft.optimizer.schedule.peak = 2e-4  # a fifth of the first stage's
    block = add_stage(config, "evaluate_sft_2", "reasoning_jax.stages.evaluate")
    block.max_tokens = config.rl.max_tokens
    block.problems = config.evaluate_sft.problems
