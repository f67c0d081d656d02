"""PPO with a critic (arXiv 1707.06347, 2203.02155) beside what does without one.

The critic has the architecture and the first weights of the policy and a head of zeros. It learns
the returns of GAE, in as many updates as the policy and alone for the first ten steps. KL to the
warm-up is paid in the reward of every token.

  python -m launch.train --config=configs/ppo.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/ppo.py --out=DIR

Variants, after a colon: ppo, remax (arXiv 2310.10505: the greedy answer's reward as baseline),
reinforce_pp (2501.03262), grpo; ``small`` instead or behind is for continuous integration. Equal in
completions, not in time: PPO updates and runs a second model, ReMax samples an answer more per
problem. Figures: docs/systems/ppo.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

ADVANTAGES = {
    "ppo": named("reasoning_jax.rl.advantages.ppo", gamma=1.0, lam=0.95),
    "remax": named("reasoning_jax.rl.advantages.remax"),
    "reinforce_pp": named("reasoning_jax.rl.advantages.reinforce_plus_plus"),
    "grpo": named("reasoning_jax.rl.advantages.grpo"),
}
VARIANTS = tuple(ADVANTAGES)


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("ppo", variant, VARIANTS)
    config = chains(f"ppo:{variant or chosen}", __doc__, small)
    config.rl.advantage = ADVANTAGES[chosen]
    config.rl.updates = 4
    config.rl.optimizer.schedule.peak = 2e-4  # as in configs/grpo_family.py
    if chosen in ("ppo", "reinforce_pp"):
        config.rl.shapers = (named("reasoning_jax.rl.shapers.token_kl", coef=1e-3),)
    if chosen == "ppo":
        config.rl.head_start = 2 if small else 10  # of the same number of steps
    config.lock()
    return config
