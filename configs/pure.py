"""PURE (arXiv 2504.15275): a solution is worth its worst step, not the sum of its steps.

Scores of steps are transformed so that their sum is about the least of them (softmin at 0.1), and
the verified outcome is added. The scores here are the task's exact labels, 1 and -1, in place of a
reward model: they cannot be gamed by style, only by the number of steps.

  python -m launch.train --config=configs/pure.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/pure.py --out=DIR

Variants, after a colon: pure (steps and outcome), steps (no outcome), mean (the softmin at a
temperature of 1000, where every step counts alike: the sum-form over the number of steps), outcome
(leave-one-out outcomes alone); ``small`` instead or behind is for continuous integration. Figures:
docs/systems/pure.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

_PURE = "reasoning_jax.rl.advantages.pure"
ADVANTAGES = {
    "pure": named(_PURE, temperature=0.1, outcome_coef=1.0),
    "steps": named(_PURE, temperature=0.1, outcome_coef=0.0),
    "mean": named(_PURE, temperature=1e3, outcome_coef=1.0),
    "outcome": named("reasoning_jax.rl.advantages.rloo"),
}
VARIANTS = tuple(ADVANTAGES)


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("pure", variant, VARIANTS)
    config = chains(f"pure:{variant or chosen}", __doc__, small)
    config.rl.advantage = ADVANTAGES[chosen]
    if chosen != "outcome":
        config.rl.steps_of = named("reasoning_jax.rewards.steps.correct_steps")
    config.lock()
    return config
