"""GRPO's relatives at an equal number of completions, from the same warm-up.

python -m launch.study --study=configs/studies/grpo_family.py --out=DIR
"""

from configs.chains import compare
from configs.grpo_family import VARIANTS
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "grpo_family",
        "Which relative of GRPO learns most from the same number of completions?",
        VARIANTS,
        baseline="grpo",
    )
