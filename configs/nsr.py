"""What right and wrong samples teach apart: PSR, NSR and W-REINFORCE (arXiv 2506.01347).

PSR learns from right answers alone, NSR from wrong ones alone, W-REINFORCE from both with right
ones at a tenth of the weight. No baseline, no KL; the clipped surrogate at four updates a batch,
as the paper ran it. Each run ends with pass@k for k up to 256 of 128 problems.

  python -m launch.train --config=configs/nsr.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/nsr.py --out=DIR

Variants, after a colon: nsr, psr, w_reinforce, grpo (to compare with); ``small`` instead or behind,
as in ``psr,small``, is for continuous integration (40 s). The paper: PSR loses at large k, NSR and
W-REINFORCE keep what the base model had. Figures: docs/systems/nsr.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

# variant -> (advantage, filters)
VARIANTS = {
    "nsr": ("nsr", ("reasoning_jax.rl.wrong",)),
    "psr": ("psr", ("reasoning_jax.rl.right",)),
    "w_reinforce": ("w_reinforce", ()),
    "grpo": ("grpo", ()),
}


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("nsr", variant, tuple(VARIANTS))
    config = chains(f"nsr:{variant or chosen}", __doc__, small)
    advantage, filters = VARIANTS[chosen]
    config.rl.advantage = named(f"reasoning_jax.rl.advantages.{advantage}")
    config.rl.filters = filters
    config.rl.updates = 4
    config.rl.optimizer.schedule.peak = 2e-4  # as in configs/grpo_family.py
    for name in ("evaluate_sft", "evaluate_rl"):
        config[name].problems = 32 if small else 128
        config[name].n = 64 if small else 256
    config.lock()
    return config
