"""ReFT against imitation that goes on and self-training, on the same questions.

python -m launch.study --study=configs/studies/reft.py --out=DIR
"""

from configs.chains import ACCURACY_CURVE, MEASURES, compare
from configs.reft import VARIANTS
from reasoning_jax.studies import Budget, Measure, Study, last


def get_study() -> Study:
    return compare(
        "reft",
        "Does PPO on the questions of the warm-up beat imitation, of given or own solutions?",
        VARIANTS,
        baseline="sft",
        measures=(
            *MEASURES,
            Measure("maj@8", last("choose", "eval/maj@8")),
            Measure("reranked@8", last("choose", "eval/rm@8")),
        ),
        curves=(ACCURACY_CURVE,),
        # Imitation samples little or nothing, so what is equal is the time.
        budget=Budget("cpu_seconds", tolerance=0.2),
    )
