"""Ways to learn from the same right and wrong answers: KTO, NCA, InfoNCA and fresh pairs.

Task, warm-up and problems are those of configs/dpo.py. The answers are graded; what is learnt from
them differs:

  kto          each answer alone, good or bad (arXiv 2402.01306)
  nca          up to four answers to a problem, each against the reference (arXiv 2402.05369)
  info_nca     the same against each other (arXiv 2402.05369)
  semi_online  DPO on pairs sampled anew every 25 steps (arXiv 2506.21495)
  packed       DPO with whole pairs packed into rows, nothing else changed

  python -m launch.train --config=configs/preferences.py:VARIANT --workdir=DIR

`small` behind a variant, as in `kto,small`, is for continuous integration.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from configs.dpo import get_config as dpo_config
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("kto", "nca", "info_nca", "semi_online", "packed")
_STAGES = {"kto": "unpaired", "nca": "scored", "info_nca": "scored"}
_SOURCES = {
    "unpaired": ("singles.SampledSingles", "responses"),
    "scored": ("scored.SampledScored", "prompts"),
    "preference": ("pairs.SampledOutcomes", "pairs"),
}


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("preferences", variant, VARIANTS)
    config = dpo_config("small" if small else "").unlock()
    config.name, config.header = f"preferences:{variant or chosen}", __doc__
    for name in ("dpo", "evaluate_dpo"):
        del config[name]
    config.stages = ("sft", "evaluate_sft")
    stage = _STAGES.get(chosen, "preference")
    learn = add_stage(config, "learn", f"reasoning_jax.stages.{stage}")
    source, rows = _SOURCES[stage]
    problems = 500 if small else 4_000
    learn.source = named(
        f"reasoning_jax.stages.sources.{source}", problems=problems, n=8, max_tokens=16
    )
    learn.max_length, learn.max_context = 48, 32
    learn.steps = 20 if small else 150
    learn.evaluate_every = 10 if small else 50
    learn[rows] = {"unpaired": 128, "scored": 32, "preference": 64}[stage] // (4 if small else 1)
    if chosen == "info_nca":
        learn.loss = named("reasoning_jax.preference.info_nca")
    if chosen == "semi_online":
        learn.source.problems = problems // 4
        learn.resample_every = 10 if small else 25
    if chosen == "packed":
        learn.row_tokens = 192
        learn.pairs //= 4
    learn.evaluation.max_tokens = 16
    add_stage(config, "evaluate_learn", "reasoning_jax.stages.evaluate").max_tokens = 16
    if small:
        learn.evaluation.problems = config.evaluate_learn.problems = 64
    config.lock()
    return config
