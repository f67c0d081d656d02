"""Credit at branches against GRPO, at the same completions.

python -m launch.study --study=configs/studies/tempo.py --out=DIR
"""

from configs.chains import WARM_UP
from configs.tempo import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, curve_mean, last


def get_study() -> Study:
    return Study(
        name="tempo",
        question="Does credit at the branches of a group's prefix tree make GRPO faster?",
        arms={name: Arm(f"configs/tempo.py:{name}") for name in VARIANTS},
        baseline="grpo",
        measures=(
            Measure("pass@1 while training", curve_mean("rl", "eval/pass@1")),
            Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
        ),
        budget=Budget("completions", stage="rl"),
        curves=(Curve("rl", "eval/pass@1", "pass@1"),),
        shared=WARM_UP,
    )
