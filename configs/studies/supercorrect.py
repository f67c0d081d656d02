"""What a teacher's corrections of own errors teach, as preferences and by imitation.

python -m launch.study --study=configs/studies/supercorrect.py --out=DIR
"""

from reasoning_jax.studies import Arm, Budget, Measure, Study, last


def get_study() -> Study:
    measures = tuple(
        Measure(f"{label} {when}", last(f"{stage}_{after}", f"eval/{name}"))
        for label, stage, name in (
            ("own errors corrected", "corrections", "corrected"),
            ("pass@1", "evaluate", "pass@1"),
        )
        for when, after in (("before", "hsft"), ("after", "correct"))
    )
    return Study(
        name="supercorrect",
        question="Do a teacher's corrections of own errors teach a policy to correct itself?",
        arms={name: Arm(f"configs/supercorrect.py:{name}") for name in ("exact", "imitate")},
        baseline="imitate",
        measures=measures,
        budget=Budget("steps", stage="correct"),
        shared=("hsft", "evaluate_hsft", "corrections_hsft"),
    )
