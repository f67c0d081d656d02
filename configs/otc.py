"""OTC-PO (arXiv 2504.14870): right answers with as few calls of the calculator as it takes.

Task: chains of three operations on digits, some of which a small model works out itself, while
products of products it cannot. Its teacher flips a coin at every step: call, or state the result.
GRPO on right answers leaves open what to do where both ways lead there; OTC multiplies the reward
of a right answer by how near its calls are to the fewest of a right answer.

  python -m launch.train --config=configs/otc.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/otc.py --out=DIR

Variants, after a colon: otc (OTC-GRPO, against the fewest calls of a right answer to the problem so
far), otc_group (against those of the group alone), few_calls (the factor of OTC-PPO, which knows no
group, under GRPO's advantage), grpo (to compare with); ``small`` instead or behind is for
continuous integration. RL sees 480 problems four times, so that there is a past to compare with.
The smoothing c is the limit of calls, 4, as we remember the paper. The paper: a third of the calls
at the same accuracy. Figures: docs/systems/otc.md.
"""

from ml_collections import ConfigDict

from configs import tools
from configs.chains import split_variant
from reasoning_jax.stages.blocks import named

SHAPERS = {
    "otc": (named("reasoning_jax.rl.shapers.otc_running", smoothing=4.0),),
    "otc_group": (named("reasoning_jax.rl.shapers.otc", smoothing=4.0),),
    "few_calls": (named("reasoning_jax.rl.shapers.otc_few_calls", smoothing=4.0),),
    "grpo": (),
}
VARIANTS = tuple(SHAPERS)


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("otc", variant, VARIANTS)
    config = tools.get_config("small" if small else "").unlock()
    config.name, config.header = f"otc:{variant or chosen}", __doc__
    config.task_options.way = "mixed"
    config.rl.shapers = SHAPERS[chosen]
    config.rl.problems = 96 if small else 480
    # Fewer calls may cost accuracy: that is part of the question, so nothing stops it.
    config.rl.guard.slack = 1.0
    config.rl.guard.patience = 1_000
    if not small:
        config.model = "nano"
        config.unroll = 2
        config.task_options.length = 3
        config.task_options.digits = 1
        config.task_options.noise = 0.1
        config.tools.max_turns = 5
        config.sft.row_tokens = 96
        config.sft.rows = 24
        config.sft.gate.at_least = 0.3  # of three seeds two end at a third
        config.sft.gate.after = 400
        config.rl.guard.start = 0.25
        config.rl.steps = 60
    config.lock()
    return config
