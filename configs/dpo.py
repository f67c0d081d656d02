"""Preferences in place of rewards: warm-up, then DPO on right and wrong answers of the model.

Task and warm-up are those of the quickstart. The warmed-up policy answers 4,000 training problems
eight times; a right and a wrong answer to the same problem make a pair, and DPO (arXiv 2305.18290)
learns from them. No reward model, and no sampling while it trains.

  python -m launch.train --config=configs/dpo.py --workdir=runs/dpo

Variants, after a colon: `step`, Step-DPO (arXiv 2406.18629), where the first wrong step of an
answer stands against the model's own corrections of it; and `small` (for continuous integration).

To expect, mean and sd over seeds 0, 1, 2 with 512 test problems: pass@1 63.8 (1.8) after the
warm-up, 85.1 (4.1) with whole answers and 90.4 (1.1) with steps; greedy 99.0 (1.5), then 95.5 (1.8)
and 99.7 (0.4). With the likelihood of the chosen answer added
(--config.dpo.loss.name=reasoning_jax.preference.pair_losses.dpo_nll) whole answers gave 90.3 and
92.4, greedy 99.6 and 99.6, at seeds 1 and 2; without it 80.3 and 87.2, greedy 93.6 and 95.9. Of the
steps' pairs of seed 0, 97 % choose the true step. Five to six minutes on two busy cores.
"""

from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "step", "small"):
        raise ValueError(f"dpo has no variant {variant!r}: choose step or small, or none")
    config = recipe("dpo" + (f":{variant}" if variant else ""), __doc__)
    config.task = "modchain"
    config.task_options.length = 6
    config.task_options.modulus = 10
    config.task_options.operations = "+-*"
    config.task_options.noise = 0.08  # chance that a step of a worked solution is drawn anew
    config.model = "micro"
    config.unroll = 3  # all of its layers: a sixth faster on CPUs

    sft = add_stage(config, "sft", "reasoning_jax.stages.sft")
    sft.examples = 20_000
    sft.row_tokens = 78  # three examples, no padding
    sft.rows = 48
    sft.steps = 900
    sft.gate.metric = "eval/greedy"
    sft.gate.at_least = 0.9
    sft.gate.after = 300
    sft.evaluation.max_tokens = 16

    add_stage(config, "evaluate_sft", "reasoning_jax.stages.evaluate").max_tokens = 16

    dpo = add_stage(config, "dpo", "reasoning_jax.stages.preference")
    dpo.source = named(
        "reasoning_jax.stages.pair_sources.SampledOutcomes", problems=4_000, n=8, max_tokens=16
    )
    if variant == "step":
        dpo.source = named(
            "reasoning_jax.stages.pair_sources.SampledSteps",
            problems=4_000,
            n=8,
            max_tokens=16,
            corrections=4,
            separator=",",
        )
    dpo.max_length = 48
    dpo.max_context = 32
    dpo.steps = 150
    dpo.evaluation.max_tokens = 16

    add_stage(config, "evaluate_dpo", "reasoning_jax.stages.evaluate").max_tokens = 16

    if variant == "small":
        # A smaller task rather than fewer steps: the policy must be right now and then.
        config.model = "nano"
        config.unroll = 2
        config.task_options.length = 3
        config.task_options.modulus = 5
        config.task_options.operations = "+-"
        sft.examples = 4_000
        sft.rows = 16
        sft.steps = 800
        sft.evaluate_every = 50
        sft.gate.after = 50
        dpo.source.problems = 500
        dpo.pairs = 16
        dpo.steps = 20
        dpo.evaluate_every = 10
        for block in (sft.evaluation, dpo.evaluation, config.evaluate_sft, config.evaluate_dpo):
            block.problems = 64
    config.lock()
    return config
