"""A second phase on own verified trajectories against as many updates on the seeds alone.

python -m launch.study --study=configs/studies/cosc.py --out=DIR
"""

from configs.cosc import VARIANTS
from reasoning_jax.studies import Arm, Budget, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="cosc",
        question="Does training again on own verified trajectories beat the seeds alone?",
        arms={name: Arm(f"configs/cosc.py:{name}") for name in VARIANTS},
        baseline="one_phase",
        measures=(
            Measure("pass@1", last("evaluate_2", "eval/pass@1")),
            Measure("greedy", last("evaluate_2", "eval/greedy")),
            Measure("pass@1 after phase 1", last("evaluate_1", "eval/pass@1")),
        ),
        budget=Budget("steps", stage="phase_2"),
        shared=("base", "phase_1", "evaluate_1"),
    )
