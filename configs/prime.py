"""PRIME (arXiv 2502.01456): a process reward model that learns from outcomes, while RL goes on.

A second policy is trained to tell right answers from wrong ones by its log-ratio to the warm-up;
that ratio is a reward for every token, added to the leave-one-out outcome. Groups with an accuracy
outside [0.2, 0.8] are left out, in all variants.

  python -m launch.train --config=configs/prime.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/prime.py --out=DIR

Variants, after a colon: prime (centred as in the paper), prime_whitened (as in its code), rloo
(outcomes alone); ``small`` instead or behind is for continuous integration. Groups left out are not
replaced, unlike the paper. Figures: docs/systems/prime.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

VARIANTS = ("prime", "prime_whitened", "rloo")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("prime", variant, VARIANTS)
    config = chains(f"prime:{variant or chosen}", __doc__, small)
    rl = config.rl
    rl.filters = (named("reasoning_jax.rl.accuracy_band", low=0.2, high=0.8),)
    rl.advantage = named(f"reasoning_jax.rl.advantages.{chosen}")
    rl.implicit.beta = 0.05
    config.lock()
    return config
