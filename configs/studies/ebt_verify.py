"""What an energy says of answers, before and after ranking, beside likelihood and majority.

python -m launch.study --study=configs/studies/ebt_verify.py --out=DIR
"""

from reasoning_jax.studies import Arm, Budget, Measure, Study, last

JUDGES = {"before": "judge", "after": "judge_2"}


def get_study() -> Study:
    chosen = tuple(
        Measure(f"best by {label} {when}", last(stage, f"eval/best_by_{name}"))
        for label, name in (
            ("mean energy", "energy_mean"),
            ("worst step", "energy_worst_step"),
            ("likelihood", "logprob"),
        )
        for when, stage in JUDGES.items()
    )
    plain = tuple(
        Measure(f"{name} {when}", last(stage, f"eval/{name}"))
        for name in ("pass@1", "maj@8")
        for when, stage in JUDGES.items()
    )
    areas = tuple(
        Measure(f"area, {label} {when}", last(stage, f"eval/auc_{name}"), unit="")
        for label, name in (
            ("mean energy", "energy_mean"),
            ("worst step", "energy_worst_step"),
            ("likelihood", "logprob"),
        )
        for when, stage in JUDGES.items()
    )
    return Study(
        name="ebt_verify",
        question="Does an energy choose better among answers than their likelihood or a vote?",
        arms={"ebt": Arm("configs/ebt_verify.py")},
        baseline="ebt",
        measures=(*plain, *chosen, *areas),
        budget=Budget("steps", stage="ebt"),
    )
