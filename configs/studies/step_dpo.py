"""The same corrections learnt from as steps, as whole answers, and by imitation.

python -m launch.study --study=configs/studies/step_dpo.py --out=DIR
"""

from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last


def get_study() -> Study:
    return compare("step_dpo", "modchain")


def compare(name: str, task: str) -> Study:
    """The study on one of the recipe's tasks."""
    return Study(
        name=name,
        question="Do corrections teach more as single steps than as whole answers?",
        arms={arm: Arm(f"configs/step_dpo.py:{task},{arm}") for arm in ("step", "dpo", "sft")},
        baseline="dpo",
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
