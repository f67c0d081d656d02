"""InfiAlign in the small: what to imitate is selected, then preferred (arXiv 2508.05496).

A policy that has seen a little is given 12 % of 2,000 worked stories. `selected` takes them with
equal quotas over clusters of questions, of each those that the policy solves least often; `random`
draws as many; `full` takes all. All train for the same number of updates and then learn from
pairs: a right worked answer against the policy's own wrong one.

  python -m launch.train --config=configs/infialign.py:VARIANT --workdir=DIR

`small` behind a variant is for continuous integration. The paper: 12 % selected is near all of it,
DPO adds 3.9 points. Metrics and counts of the paper are not published in full; those here are ours.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe

VARIANTS = ("selected", "random", "full")
_CURATORS = {"selected": "Selected", "random": "Drawn", "full": "Solutions"}


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("infialign", variant, VARIANTS)
    config = recipe(f"infialign:{variant or chosen}", __doc__)
    config.task = "wordchain"
    config.task_options.length = 2
    config.task_options.maximum = 9 if small else 20
    config.task_options.noise = 0.05
    config.model = "nano" if small else "micro"
    config.unroll = 2 if small else 3

    sft = add_stage(config, "sft", "reasoning_jax.stages.sft")
    sft.examples = 4_000
    sft.row_tokens = 512
    sft.rows = 8
    sft.steps = 100 if small else 2_000
    sft.evaluate_every = 0 if small else 100
    if not small:
        sft.gate.metric, sft.gate.at_least, sft.gate.after = "eval/greedy", 0.4, 300
        sft.evaluation.max_tokens = 40
    _evaluate(config, "evaluate_sft", small)

    pool = 300 if small else 2_000
    chosen_stage = add_stage(config, "chosen", "reasoning_jax.stages.curate")
    curator = named(f"reasoning_jax.stages.sources.curators.{_CURATORS[chosen]}", problems=pool)
    if chosen != "full":
        curator.budget = round(0.12 * pool)
    if chosen == "selected":
        curator.update({"groups": 8, "n": 4, "max_tokens": 40})
    chosen_stage.curator = curator

    tuned = add_stage(config, "tuned", "reasoning_jax.stages.sft")
    tuned.data = "chosen"
    tuned.row_tokens = 512
    tuned.rows = 8
    tuned.steps = 5 if small else 50
    tuned.evaluate_every = 0
    tuned.optimizer.schedule.peak = 3e-4
    _evaluate(config, "evaluate_tuned", small)

    dpo = add_stage(config, "dpo", "reasoning_jax.stages.preference")
    dpo.source = named(
        "reasoning_jax.stages.sources.pairs.TeacherAgainstOwn",
        problems=pool,
        n=4,
        max_tokens=40,
    )
    dpo.loss.beta = 0.5
    dpo.micro_batches = 2
    dpo.max_length, dpo.max_context = 256, 200
    dpo.pairs = 16
    dpo.steps = 10 if small else 60
    dpo.evaluate_every = 0
    _evaluate(config, "evaluate_dpo", small)
    config.lock()
    return config


def _evaluate(config: ConfigDict, name: str, small: bool) -> None:
    block = add_stage(config, name, "reasoning_jax.stages.evaluate")
    block.max_tokens = 40
    block.problems = 64 if small else 256
