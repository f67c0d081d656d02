"""Agreement in place of labels, from a good and from a poor beginning.

python -m launch.study --study=configs/studies/empo.py --out=DIR
"""

from configs.chains import WARM_UP
from configs.empo import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="empo",
        question="Does agreement teach without labels, and what where the majority is wrong?",
        arms={name: Arm(f"configs/empo.py:{name}") for name in VARIANTS},
        baseline="grpo",
        measures=(
            Measure("before", last("evaluate_sft", "eval/pass@1")),
            Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
            Measure("entropy at the end", last("rl", "rl/entropy"), unit="nats"),
        ),
        budget=Budget("completions", stage="rl"),
        curves=(
            Curve("rl", "eval/pass@1", "pass@1"),
            Curve("rl", "rl/entropy", "entropy", unit="nats"),
        ),
        shared=WARM_UP,
    )
