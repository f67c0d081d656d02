"""T1 (arXiv 2501.11651): exploration kept up by many samples, an entropy bonus, a moving anchor.

Reward 1 or 0, -1 for an answer cut at the limit; leave-one-out of the reward and, weighted, of the
KL to a reference that follows the policy as an average; plain REINFORCE, strictly on-policy.

  python -m launch.train --config=configs/t1.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/t1.py --out=DIR

Variants, after a colon: k32 (8 problems, 32 samples of each), k4 (64 problems, 4 samples: as many
completions), no_bonus (k32 without the entropy bonus), fixed (k32 with the warm-up as reference
throughout); ``small`` instead or behind is for continuous integration (40 s). KL 2e-4 is the
paper's, the bonus of 1e-3 and the average's 0.95 are ours, since we have not seen them; of its SFT
on trials and errors there is nothing here. Figures: docs/systems/t1.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

VARIANTS = ("k32", "k4", "no_bonus", "fixed")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("t1", variant, VARIANTS)
    config = chains(f"t1:{variant or chosen}", __doc__, small)
    rl = config.rl
    completions = rl.prompts * rl.group_size
    rl.group_size = 4 if chosen == "k4" else 32
    rl.prompts = completions // rl.group_size
    rl.shapers = ("reasoning_jax.rl.shapers.unfinished",)
    rl.advantage = named("reasoning_jax.rl.advantages.t1", kl_coef=2e-4)
    rl.policy_loss = named("reasoning_jax.rl.policy_losses.reinforce")
    rl.entropy_coef = 0.0 if chosen == "no_bonus" else 1e-3
    if chosen != "fixed":
        rl.reference.update(every=1, keep=0.95)
    config.lock()
    return config
