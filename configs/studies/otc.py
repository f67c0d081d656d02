"""Fewer calls at the same accuracy: OTC against GRPO with tools.

python -m launch.study --study=configs/studies/otc.py --out=DIR
"""

from configs.chains import WARM_UP
from configs.otc import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last, ratio

ACCURACY = last("evaluate_rl", "eval/pass@1")
CALLS = last("evaluate_rl", "eval/tool_calls", absent=0.0)


def get_study() -> Study:
    return Study(
        name="otc",
        question="Does the reward of few calls keep accuracy with fewer of them?",
        arms={name: Arm(f"configs/otc.py:{name}") for name in VARIANTS},
        baseline="grpo",
        measures=(
            Measure("calls per answer", CALLS, unit=""),
            Measure("pass@1", ACCURACY),
            Measure("right answers per call", ratio(ACCURACY, CALLS), unit=""),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
        ),
        budget=Budget("completions", stage="rl"),
        curves=(
            Curve("rl", "eval/pass@1", "pass@1"),
            Curve("rl", "rl/tool_calls", "calls per answer", unit=""),
        ),
        shared=WARM_UP,
    )
