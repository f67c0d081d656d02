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

from configs import quickstart
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "step", "small"):
        raise ValueError(f"dpo has no variant {variant!r}: choose step or small, or none")
    config = quickstart.get_config("small" if variant == "small" else "").unlock()
    config.name, config.header = "dpo" + (f":{variant}" if variant else ""), __doc__
    del config.rl, config.evaluate_rl
    config.stages = ("sft", "evaluate_sft")

    dpo = add_stage(config, "dpo", "reasoning_jax.stages.preference")
    dpo.source = named(
        "reasoning_jax.stages.sources.pairs.SampledOutcomes", problems=4_000, n=8, max_tokens=16
    )
    if variant == "step":
        dpo.source = named(
            "reasoning_jax.stages.sources.pairs.SampledSteps",
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
        dpo.source.problems = 500
        dpo.pairs = 16
        dpo.steps = 20
        dpo.evaluate_every = 10
        dpo.evaluation.problems = config.evaluate_dpo.problems = 64
    config.lock()
    return config
