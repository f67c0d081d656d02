"""What an energy says of answers, before and after ranking, beside likelihood and majority.

python -m launch.study --study=configs/studies/ebt_verify.py --out=DIR
"""

from configs.ebt_verify import VARIANTS
from reasoning_jax.studies import Arm, Budget, Measure, Study, last

ENERGIES = {
    "mean energy": "energy_mean",
    "energy of the worst step": "energy_worst_step",
    "mean rise": "rise_mean",
    "rise of the worst step": "rise_worst_step",
}
JUDGES = {"before": "judge", "after": "rank"}


def get_study() -> Study:
    chosen = tuple(
        Measure(f"best by {label} {when}", last(stage, f"eval/best_by_{name}"))
        for label, name in ENERGIES.items()
        for when, stage in JUDGES.items()
    )
    areas = tuple(
        Measure(f"area, {label} {when}", last(stage, f"eval/auc_{name}"), unit="")
        for label, name in ENERGIES.items()
        for when, stage in JUDGES.items()
    )
    # Of the same answers, so before and after are one.
    others = tuple(
        Measure(label, last("judge", f"eval/{name}"))
        for label, name in (
            ("pass@1", "pass@1"),
            ("best by likelihood", "best_by_logprob"),
            ("maj@8", "maj@8"),
        )
    )
    return Study(
        name="ebt_verify",
        question="Does an energy choose better among answers than their likelihood or a vote?",
        arms={name: Arm(f"configs/ebt_verify.py:{name}") for name in VARIANTS},
        baseline="s1",
        measures=(*others, *chosen, *areas),
        budget=Budget("steps", stage="ebt"),
    )
