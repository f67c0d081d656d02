"""Samples per problem, entropy bonus and moving anchor, at the same completions.

python -m launch.study --study=configs/studies/t1.py --out=DIR
"""

from configs.chains import ENTROPY, MEASURES, compare
from configs.t1 import VARIANTS
from reasoning_jax.studies import Measure, Study, last


def get_study() -> Study:
    return compare(
        "t1",
        "Do more samples of fewer problems and an entropy bonus keep exploration?",
        VARIANTS,
        baseline="k32",
        measures=(*MEASURES, Measure("pass@8", last("evaluate_rl", "eval/pass@8")), ENTROPY),
    )
