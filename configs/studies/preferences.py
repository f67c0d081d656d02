"""KTO, NCA, InfoNCA and fresh pairs from the same warm-up.

python -m launch.study --study=configs/studies/preferences.py --out=DIR
"""

from configs.preferences import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="preferences",
        question="Which way of learning from right and wrong answers keeps greedy accuracy?",
        arms={name: Arm(f"configs/preferences.py:{name}") for name in VARIANTS},
        baseline="packed",
        measures=(
            Measure("pass@1", last("evaluate_learn", "eval/pass@1")),
            Measure("greedy", last("evaluate_learn", "eval/greedy")),
            Measure("pass@1 before", last("evaluate_sft", "eval/pass@1")),
            Measure("greedy before", last("evaluate_sft", "eval/greedy")),
        ),
        budget=Budget("steps", stage="learn"),
        curves=(Curve("learn", "eval/pass@1", "pass@1"),),
        shared=("sft", "evaluate_sft"),
    )
