"""Two rounds against one, the shaped reward against the outcome, and choosing by reward model.

python -m launch.study --study=configs/studies/qwen_math.py --out=DIR
"""

from configs.chains import ACCURACY_CURVE, MEASURES, compare
from configs.qwen_math import VARIANTS
from reasoning_jax.studies import Measure, Study, last


def get_study() -> Study:
    return compare(
        "qwen_math",
        "Do two rounds beat one, and does the reward model choose better than the majority?",
        VARIANTS,
        baseline="one_round",
        measures=(
            *MEASURES,
            Measure("rm@8", last("choose", "eval/rm@8")),
            Measure("maj@8", last("choose", "eval/maj@8")),
            Measure("pairs ordered rightly", last("choose", "eval/pair_accuracy")),
        ),
        curves=(ACCURACY_CURVE,),
    )
