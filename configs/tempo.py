"""TEMPO (arXiv 2509.18314): GRPO plus what the branch taken at a token was worth.

The samples of a group form a tree of shared prefixes; where they part, the token is credited with
the change of the mean reward below. Where nothing branches it is GRPO, exactly. Solutions here are
short and of few symbols, so that most tokens of a group are shared.

  python -m launch.train --config=configs/tempo.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/tempo.py --out=DIR

Variants, after a colon: tempo, grpo (to compare with), tempo16 and grpo16 (16 samples a problem
instead of 8, as many completions a step); ``small`` instead or behind is for continuous integration
(40 s). The paper: 1.4 to 1.6 times faster than GRPO. Figures: docs/systems/tempo.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

VARIANTS = ("tempo", "grpo", "tempo16", "grpo16")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("tempo", variant, VARIANTS)
    config = chains(f"tempo:{variant or chosen}", __doc__, small)
    config.rl.advantage = named(f"reasoning_jax.rl.advantages.{chosen.removesuffix('16')}")
    if chosen.endswith("16"):
        config.rl.group_size, config.rl.prompts = 16, config.rl.prompts // 2
    config.lock()
    return config
