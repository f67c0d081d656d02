"""Credit at branches against GRPO, at the same completions.

python -m launch.study --study=configs/studies/tempo.py --out=DIR
"""

from configs.chains import compare
from configs.tempo import VARIANTS
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "tempo",
        "Does credit at the branches of a group's prefix tree make GRPO faster?",
        VARIANTS,
        baseline="grpo",
    )
