"""TP-GRPO (arXiv 2507.23317): the outcome credited thought by thought.

In a right solution tokens of wrong thoughts earn less, by alpha times the share of the group that
is right; in a wrong one only thoughts that lead to the wrong answer are blamed. The task's exact
labels stand in for the paper's judge, which is a language model.

  python -m launch.train --config=configs/tp_grpo.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/tp_grpo.py --out=DIR

Variants, after a colon: tp_grpo (alpha 0.5), blame (alpha 0: right solutions as in GRPO), grpo;
``small`` instead or behind is for continuous integration. Strictly on-policy, where the paper
judges a stock of samples drawn beforehand. Figures: docs/systems/tp_grpo.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

_TP_GRPO = "reasoning_jax.rl.advantages.tp_grpo"
ADVANTAGES = {
    "tp_grpo": named(_TP_GRPO, alpha=0.5),
    "blame": named(_TP_GRPO, alpha=0.0),
    "grpo": named("reasoning_jax.rl.advantages.grpo"),
}
VARIANTS = tuple(ADVANTAGES)


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("tp_grpo", variant, VARIANTS)
    config = chains(f"tp_grpo:{variant or chosen}", __doc__, small)
    config.rl.advantage = ADVANTAGES[chosen]
    if chosen != "grpo":
        config.rl.steps_of = named("reasoning_jax.rewards.steps.marked_steps")
    config.lock()
    return config
