"""Credit thought by thought, beside the outcome for all.

python -m launch.study --study=configs/studies/tp_grpo.py --out=DIR
"""

from configs.chains import compare
from configs.tp_grpo import VARIANTS
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "tp_grpo",
        "Do marks of thoughts make GRPO faster at the same number of solutions?",
        VARIANTS,
        baseline="grpo",
    )
