"""What complements of prompts are worth, and what preference and merging add to tuning.

python -m launch.study --study=configs/studies/baichuan.py --out=DIR
"""

from reasoning_jax.studies import Arm, Budget, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="baichuan",
        question="Are complements worth their place, and does each stage add to the one before?",
        arms={name: Arm(f"configs/baichuan.py:{name}") for name in ("augmented", "plain")},
        baseline="plain",
        measures=tuple(
            Measure(f"pass@1 after {stage}", last(f"evaluate_{stage}", "eval/pass@1"))
            for stage in ("sft", "dpo", "merged")
        ),
        budget=Budget("steps", stage="dpo"),
    )
