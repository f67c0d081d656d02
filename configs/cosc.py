"""Chain of self-correction: program, output, verification, conclusion (arXiv 2410.10735).

A stage is a program that the calculator runs, a verification that reads it back against the
question, and a conclusion; what the calculator answers is read and not trained. Phase 1 imitates
seed trajectories whose teacher misreads every third program and sees it. Phase 2 lets that model
answer 4,000 training problems, keeps what it verified itself and is right, and trains the base
again on seeds and own data together.

  python -m launch.train --config=configs/cosc.py --workdir=DIR
  python -m launch.evaluate --workdir=DIR --n=8 --max_tokens=120 --task_option=rounds=1

The second command grades the first stage alone: what one round gives without self-correction.
Variants: `two_phases`, `one_phase` (seeds alone, as many updates); `small` behind one is for
continuous integration. The paper: later rounds lift accuracy over the first, the second phase over
the first.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe

VARIANTS = ("two_phases", "one_phase")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("cosc", variant, VARIANTS)
    config = recipe(f"cosc:{variant or chosen}", __doc__)
    config.task = "reasoning_jax.tasks.self_correction:SelfCorrection"
    config.task_options.length = 1 if small else 2
    config.task_options.digits = 2 if small else 3
    config.task_options.noise = 0.3  # chance that a stage of a seed trajectory misreads a digit
    config.tools.use = ("reasoning_jax.tools.calculator",)
    config.tools.max_turns = 4  # three stages, and what follows the last result
    config.tools.max_result_tokens = 12
    config.tools.syntax.update(
        call_start="{", call_end="}", result_start="", result_end=";", error="?"
    )
    config.model = "nano" if small else "micro"
    config.unroll = 2 if small else 3
    tokens = 64 if small else 120
    seeds = 3_000 if small else 20_000

    add_stage(config, "base", "reasoning_jax.stages.keep")
    _imitate(config, "phase_1", small).examples = seeds
    _evaluate(config, "evaluate_1", tokens, small)
    if chosen == "two_phases":
        own = add_stage(config, "own", "reasoning_jax.stages.curate")
        own.curator = named(
            "reasoning_jax.stages.sources.curators.OwnRight",
            problems=500 if small else 4_000,
            n=2,
            max_tokens=tokens,
            path="verified",
            solutions=seeds,
        )
    # All weight on what was kept: the base again.
    again = add_stage(config, "base_again", "reasoning_jax.stages.merge")
    again.models = ("base",)
    again.method = named("reasoning_jax.models.merge_methods.linear", weights=(1.0, 0.0))
    second = _imitate(config, "phase_2", small)
    if chosen == "two_phases":
        second.data = "own"
    else:
        second.examples = seeds
    _evaluate(config, "evaluate_2", tokens, small)
    config.lock()
    return config


def _imitate(config: ConfigDict, name: str, small: bool) -> ConfigDict:
    sft = add_stage(config, name, "reasoning_jax.stages.sft")
    sft.row_tokens = 192 if small else 256
    sft.drop_longer = True
    sft.rows = 16
    sft.steps = 300 if small else 1200
    sft.evaluate_every = 0
    return sft


def _evaluate(config: ConfigDict, name: str, tokens: int, small: bool) -> None:
    block = add_stage(config, name, "reasoning_jax.stages.evaluate")
    block.max_tokens = tokens
    block.problems = 64 if small else 256
