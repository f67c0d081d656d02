"""Energy as a verifier: an energy model judges the answers that it writes itself.

  ebt    pretraining on worked chains (arXiv 2507.02092), until it calculates
  judge  best of eight answers by energy, beside their likelihood, the majority and the oracle
  rank   every right step of its own answers is ranked above every wrong one; at its end the same
         answers are judged again

  python -m launch.train --config=configs/ebt_verify.py --workdir=DIR

Variants: `draft`, where thoughts begin with what the decoder says as a language model; each also
with `,small` behind it, and `small` alone, for continuous integration.

Prompts are drawn at random: nothing is to be learnt from them. With their tokens in the loss, or
with rows of 32, or with three times the learning rate, a plain transformer of this size does not
learn to calculate in 800 updates, nor does the energy model with all three in 1,000.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe

VARIANTS = ("s1", "draft")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("ebt_verify", variant, VARIANTS)
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
    ebt.prompts = False
    ebt.documents = 2_000 if small else 16_000
    ebt.row_tokens = 20
    ebt.rows = 32 if small else 128
    ebt.steps = 100 if small else 800
    ebt.optimizer.schedule.peak = 1e-3
    if chosen == "draft":
        ebt.loss = named("reasoning_jax.models.energy.loss_with_draft", coef=1.0)
        draft = named("reasoning_jax.models.energy.Draft")
        config.energy.start = ebt.thinking.start = draft

    judge = add_stage(config, "judge", "reasoning_jax.stages.energy.verify")
    rank = add_stage(config, "rank", "reasoning_jax.stages.energy.rank")
    rank.problems = 100 if small else 1_000
    rank.max_tokens, rank.row_tokens = 8, 20
    rank.rows = 16 if small else 32
    rank.steps = 20 if small else 200
    rank.evaluate_every = 0 if small else 100
    for block in (judge, rank.evaluation):
        block.problems = 32 if small else 256
        block.max_tokens, block.row_tokens = 8, 20
    config.lock()
    return config
