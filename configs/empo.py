"""EMPO (arXiv 2504.05812): learning from agreement, without labels.

A completion earns the share of its group that gives the same answer; no verdict is read, and it is
GRPO otherwise. What the majority says is thereby made surer, right or wrong: the ``weak`` variants
begin from a warm-up cut off early, whose greedy answers are mostly wrong.

  python -m launch.train --config=configs/empo.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/empo.py --out=DIR

Variants, after a colon: empo, grpo (with labels), weak_empo, weak_grpo; ``small`` instead or behind
is for continuous integration (40 s). Groups all of one answer or all of different ones teach
nothing and are left out, as in the paper. Figures: docs/systems/empo.md.
"""

import math

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

VARIANTS = ("empo", "grpo", "weak_empo", "weak_grpo")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("empo", variant, VARIANTS)
    config = chains(f"empo:{variant or chosen}", __doc__, small)
    rl = config.rl
    if chosen.endswith("empo"):
        rl.shapers = ("reasoning_jax.rl.shapers.cluster_share",)
        high = 0.999 * math.log(rl.group_size)  # below that of answers that all differ
        rl.filters = (named("reasoning_jax.rl.filters.cluster_entropy_band", high=high),)
    if chosen.startswith("weak"):
        config.sft.gate.metric = ""
        config.sft.steps = 50 if small else 300
        rl.guard.start = 0.0
    config.lock()
    return config
