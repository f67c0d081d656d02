"""Selected, random and all data at the same number of updates.

python -m launch.study --study=configs/studies/infialign.py --out=DIR
"""

from configs.infialign import VARIANTS
from reasoning_jax.studies import Arm, Budget, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="infialign",
        question="Is 12 % of the data, selected, worth more than 12 % at random?",
        arms={name: Arm(f"configs/infialign.py:{name}") for name in VARIANTS},
        baseline="random",
        measures=(
            Measure("pass@1 after tuning", last("evaluate_tuned", "eval/pass@1")),
            Measure("pass@1 after DPO", last("evaluate_dpo", "eval/pass@1")),
            Measure("pass@1 before", last("evaluate_sft", "eval/pass@1")),
        ),
        budget=Budget("steps", stage="tuned"),
        shared=("sft", "evaluate_sft"),
    )
