"""PPO with a critic beside what does without one, at the same completions.

python -m launch.study --study=configs/studies/ppo.py --out=DIR
"""

from configs.chains import compare
from configs.ppo import VARIANTS
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "ppo",
        "Is a critic worth it beside baselines from the samples themselves?",
        VARIANTS,
        baseline="grpo",
    )
