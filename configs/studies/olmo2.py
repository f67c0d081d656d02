"""Soup against the mean of what it is made of, and RL of one skill beside another.

python -m launch.study --study=configs/studies/olmo2.py --out=DIR
"""

import numpy as np

from configs.olmo2 import ANNEALS, TARGET, VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last

PASS = "eval/pass@1"


def mean_of_anneals(lines) -> float:
    """pass@1 of the three annealed models, on average."""
    return float(np.mean([last(f"evaluate_{name}", PASS)(lines) for name in ANNEALS]))


def get_study() -> Study:
    parts = (TARGET, "equations")
    by_part = tuple(
        Measure(f"{part} {when}", last(stage, f"eval/part/{part}/pass@1"))
        for part in parts
        for when, stage in (("before RL", "evaluate_dpo"), ("after", "evaluate_rl"))
    )
    return Study(
        name="olmo2",
        question="Is the soup worth its parts, and does RL of one skill keep the other?",
        arms={name: Arm(f"configs/olmo2.py:{name}") for name in VARIANTS},
        baseline="grpo",
        measures=(
            Measure("mean of the annealed", mean_of_anneals),
            Measure("soup", last("evaluate_soup", PASS)),
            Measure("after DPO", last("evaluate_dpo", PASS)),
            Measure("after RL", last("evaluate_rl", PASS)),
            *by_part,
        ),
        budget=Budget("completions", stage="rl"),
        curves=(Curve("rl", PASS, "pass@1"),),
        shared=("sft", "evaluate_sft"),
    )
