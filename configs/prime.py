"""PRIME (arXiv 2502.01456): a process reward model that learns from outcomes, while RL goes on.

A second policy is trained to tell right answers from wrong ones by its log-ratio to the warm-up;
that ratio is a reward for every token, added to the leave-one-out outcome. Groups with an accuracy
outside [0.2, 0.8] are replaced from a second batch of problems; those for which there is then no
room wait for the next one and are answered anew.

  python -m launch.train --config=configs/prime.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/prime.py --out=DIR

Variants, after a colon: prime (centred as in the paper), prime_whitened (as in its code), frozen
(the model learns in the first steps alone, while the policy waits), rloo (outcomes alone);
``small`` instead or behind is for continuous integration. Figures: docs/systems/prime.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

VARIANTS = ("prime", "prime_whitened", "frozen", "rloo")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("prime", variant, VARIANTS)
    config = chains(f"prime:{variant or chosen}", __doc__, small)
    rl = config.rl
    rl.refill.keep = named("reasoning_jax.rl.accuracy_band", low=0.2, high=0.8)
    # Two batches a step, so half as many steps for as many completions.
    rl.refill.most = 2
    rl.refill.waiting = rl.prompts
    rl.steps //= 2
    rl.evaluate_every //= 2
    advantage = "prime" if chosen == "frozen" else chosen
    rl.advantage = named(f"reasoning_jax.rl.advantages.{advantage}")
    rl.implicit.beta = 0.05
    rl.implicit.optimizer.schedule.warmup_steps = 0  # a frozen one has few steps to learn in
    if chosen == "frozen":
        rl.head_start = rl.implicit.until = 2 if small else 6  # of the same number of steps
    config.lock()
    return config
