"""Baichuan Alignment in the small: augmented prompts, packed tuning, preference, merging.

Each stage of arXiv 2410.14940 has a small counterpart on stories of three sentences, and the
policy is measured after each:

  augmented  prompts carry a complement that says what they ask for
  sft        supervised tuning on packed rows, no sample attending to another
  dpo        preference between the policy's own right and wrong answers
  merged     TIES merging of what preference has added to the tuned policy

  python -m launch.train --config=configs/baichuan.py:VARIANT --workdir=DIR

Variants: `augmented`, the task writes the complement, so that its gain is that of a perfect
augmentation model; `written`, a model did (--config.data=DIR/complements.jsonl), which `augmenter`
trains and has write in DIR, or any generator that complements.generator names; `plain`, prompts as
they are. `small` behind a variant is for continuous integration.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe

VARIANTS = ("augmented", "written", "plain", "augmenter")
_TASKS = {
    "augmented": "reasoning_jax.tasks.augmented:AugmentedWordChain",
    "written": "reasoning_jax.tasks.augmented:WrittenAugmentedWordChain",
    "plain": "wordchain",
    "augmenter": "reasoning_jax.tasks.augmented:StoryComplement",
}


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("baichuan", variant, VARIANTS)
    config = recipe(f"baichuan:{variant or chosen}", __doc__)
    config.task = _TASKS[chosen]
    config.task_options.length = 2 if small else 3
    config.task_options.maximum = 9 if small else 20
    config.task_options.noise = 0.05
    config.model = "nano" if small else "micro"
    config.unroll = 2 if small else 3

    sft = add_stage(config, "sft", "reasoning_jax.stages.sft")
    sft.examples = 4_000 if small else 20_000
    sft.row_tokens = 512
    sft.rows = 8
    sft.steps = 150 if small else 900
    sft.evaluate_every = 0
    _evaluate(config, "evaluate_sft", small)
    if chosen == "augmenter":
        complements = add_stage(config, "complements", "reasoning_jax.stages.complements")
        complements.problems.train = sft.examples  # as many as the other variants read
        complements.problems.test = 64 if small else 256
        config.lock()
        return config

    add_stage(config, "tuned", "reasoning_jax.stages.keep")
    dpo = add_stage(config, "dpo", "reasoning_jax.stages.preference")
    dpo.source = named(
        "reasoning_jax.stages.sources.pairs.SampledOutcomes",
        problems=500 if small else 2_000,
        n=8,
        max_tokens=48,
    )
    dpo.loss.beta = 0.5
    dpo.micro_batches = 2 if small else 4
    dpo.max_length, dpo.max_context = 256, 200
    dpo.pairs = 16 if small else 32
    dpo.steps = 10 if small else 80
    dpo.evaluate_every = 0
    _evaluate(config, "evaluate_dpo", small)

    merged = add_stage(config, "merged", "reasoning_jax.stages.merge")
    merged.models = ("tuned",)
    merged.method = named("reasoning_jax.models.merge_methods.ties", density=0.5)
    _evaluate(config, "evaluate_merged", small)
    config.lock()
    return config


def _evaluate(config: ConfigDict, name: str, small: bool) -> None:
    block = add_stage(config, name, "reasoning_jax.stages.evaluate")
    block.max_tokens = 48
    block.problems = 64 if small else 256
