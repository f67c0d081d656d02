"""What each stage of Light-R1 adds, and what its order is worth.

python -m launch.study --study=configs/studies/light_r1.py --out=DIR
"""

from configs.light_r1 import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="light_r1",
        question="Does each stage of the curriculum add to the policy that RL ends with?",
        arms={name: Arm(f"configs/light_r1.py:{name}") for name in VARIANTS},
        baseline="all",
        measures=(
            Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
        ),
        budget=Budget("completions", stage="rl"),
        curves=(Curve("rl", "eval/pass@1", "pass@1"),),
        shared=("sft", "evaluate_sft"),
    )
