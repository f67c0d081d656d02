"""GRPO's relatives at an equal number of completions, from the same warm-up.

python -m launch.study --study=configs/studies/grpo_family.py --out=DIR
"""

from configs.chains import WARM_UP
from configs.grpo_family import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, curve_mean, last


def get_study() -> Study:
    return Study(
        name="grpo_family",
        question="Which relative of GRPO learns most from the same number of completions?",
        arms={name: Arm(f"configs/grpo_family.py:{name}") for name in VARIANTS},
        baseline="grpo",
        measures=(
            Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
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
