"""ReFT against imitation that goes on, on the same questions.

python -m launch.study --study=configs/studies/reft.py --out=DIR
"""

from configs.chains import ACCURACY_CURVE, MEASURES, compare
from configs.reft import VARIANTS
from reasoning_jax.studies import Budget, Measure, Study, last


def get_study() -> Study:
    return compare(
        "reft",
        "Does PPO on the questions of the warm-up beat more imitation of their solutions?",
        VARIANTS,
        baseline="sft",
        measures=(*MEASURES, Measure("maj@8", last("evaluate_rl", "eval/maj@8"))),
        curves=(ACCURACY_CURVE,),
        # Imitation samples nothing, so what is equal is the time.
        budget=Budget("cpu_seconds", tolerance=0.2),
    )
