"""A reasoner from nothing: warm-up on worked solutions, then RL with verified answers.

Task: chains of six operations modulo 10. A small decoder imitates a teacher whose every step is
wrong with probability 0.08, then learns from nothing but whether its last number is right (GRPO).

  python -m launch.train --config=configs/quickstart.py --workdir=runs/quickstart

Variants, after a colon: `small` (seconds, for continuous integration) and `hard` (leaves room
between algorithms).
"""

from ml_collections import ConfigDict

from reasoning_jax.stages.recipe import add_stage, recipe


def get_config(variant: str = "") -> ConfigDict:
    config = recipe("quickstart", __doc__)
    config.task = "modchain"
    config.task_options.length = 6
    config.task_options.modulus = 10
    config.task_options.noise = 0.08
    config.model = "micro"

    sft = add_stage(config, "sft", "reasoning_jax.stages.sft")
    sft.examples = 20_000
    sft.row_tokens = 128
    sft.rows = 32
    sft.steps = 900
    sft.gate.metric = "eval/greedy"  # the warm-up clicks all at once
    sft.gate.at_least = 0.9
    sft.gate.after = 300

    add_stage(config, "evaluate_sft", "reasoning_jax.stages.evaluate")

    rl = add_stage(config, "rl", "reasoning_jax.stages.rl")
    rl.max_tokens = 16
    rl.evaluation.max_tokens = 16
    rl.steps = 100
    rl.guard.start = 0.3

    add_stage(config, "evaluate_rl", "reasoning_jax.stages.evaluate")
    config.lock()
    return config
