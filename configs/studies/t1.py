"""Samples per problem, entropy bonus and moving anchor, at the same completions.

python -m launch.study --study=configs/studies/t1.py --out=DIR
"""

from configs.chains import WARM_UP
from configs.t1 import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, curve_mean, last


def get_study() -> Study:
    return Study(
        name="t1",
        question="Do more samples of fewer problems and an entropy bonus keep exploration?",
        arms={name: Arm(f"configs/t1.py:{name}") for name in VARIANTS},
        baseline="k32",
        measures=(
            Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
            Measure("pass@8", last("evaluate_rl", "eval/pass@8")),
            Measure("pass@1 while training", curve_mean("rl", "eval/pass@1")),
            Measure("entropy at the end", last("rl", "rl/entropy"), unit="nats"),
        ),
        budget=Budget("completions", stage="rl"),
        curves=(
            Curve("rl", "eval/pass@1", "pass@1"),
            Curve("rl", "rl/entropy", "entropy", unit="nats"),
        ),
        shared=WARM_UP,
    )
