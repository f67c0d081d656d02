"""Energy as a verifier: an energy model judges the answers that it writes itself.

  ebt     pretraining on worked chains (arXiv 2507.02092); thoughts begin with the decoder's draft
  judge   best of eight answers by energy, beside their likelihood, the majority and the oracle
  rank    every right step of its own answers is ranked above every wrong one
  judge_2 the same judgement after

  python -m launch.train --config=configs/ebt_verify.py --workdir=DIR

Variant: `small`, for continuous integration.
"""

from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "small"):
        raise ValueError(f"ebt_verify has no variant {variant!r}: choose small, or none")
    small = variant == "small"
    config = recipe("ebt_verify" + (f":{variant}" if variant else ""), __doc__)
    config.task = "modchain"
    config.task_options.length = 3
    config.task_options.modulus = 5
    config.task_options.operations = "+-"
    config.task_options.noise = 0.1
    config.model = "nano"
    config.unroll = 2
    config.energy.landscapes = 2
    config.energy.step_size = 5.0

    ebt = add_stage(config, "ebt", "reasoning_jax.stages.energy.pretrain")
    ebt.documents = 2_000 if small else 16_000
    ebt.row_tokens = 20
    ebt.rows = 32
    ebt.steps = 100 if small else 1_000
    ebt.optimizer.schedule.peak = 3e-3
    # Alone, an energy model of this size does not learn to calculate; its decoder does.
    ebt.loss = named("reasoning_jax.models.energy.loss_with_draft", coef=1.0)
    draft = named("reasoning_jax.models.energy.Draft")
    config.energy.start = ebt.thinking.start = draft
    _judge(config, "judge", small)
    rank = add_stage(config, "rank", "reasoning_jax.stages.energy.rank")
    rank.problems = 100 if small else 1_000
    rank.max_tokens, rank.row_tokens = 8, 20
    rank.rows = 16 if small else 32
    rank.steps = 20 if small else 150
    _judge(config, "judge_2", small)
    config.lock()
    return config


def _judge(config: ConfigDict, name: str, small: bool) -> None:
    judge = add_stage(config, name, "reasoning_jax.stages.energy.verify")
    judge.problems = 32 if small else 256
    judge.max_tokens, judge.row_tokens = 8, 20
