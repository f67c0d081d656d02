"""AceReason-Nemotron (arXiv 2505.16400): strictly on-policy GRPO, on problems that get harder.

One update per batch of completions, mean over tokens, no KL, no entropy bonus. The curriculum
leaves out groups that are solved too often, more of them in each phase (14, 10 and 6 of 16).

  python -m launch.train --config=configs/acereason.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/acereason.py --out=DIR

Variants, after a colon: staged, on_policy (all groups throughout), off_policy (four updates per
batch); ``small`` instead or behind is for continuous integration. Of the paper's stages this has
the difficulty; configs/acereason_stages.py has the length of responses and code. Figures:
docs/systems/acereason.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant

VARIANTS = ("staged", "on_policy", "off_policy")
# Largest share of a group that may be right, phase by phase.
HARDEST = (14 / 16, 10 / 16, 6 / 16)


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("acereason", variant, VARIANTS)
    config = chains(f"acereason:{variant or chosen}", __doc__, small)
    config.rl.updates = 4 if chosen == "off_policy" else 1
    if chosen == "staged":
        config.rl.phases = tuple(
            {
                "steps": config.rl.steps // len(HARDEST),
                "set": {
                    "filters": (
                        {"name": "reasoning_jax.rl.accuracy_band", "low": 0.0, "high": high},
                    )
                },
            }
            for high in HARDEST
        )
    config.lock()
    return config
