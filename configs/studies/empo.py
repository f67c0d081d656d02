"""Agreement in place of labels, from a good and from a poor beginning.

python -m launch.study --study=configs/studies/empo.py --out=DIR
"""

from configs.chains import ENTROPY, MEASURES, compare
from configs.empo import VARIANTS
from reasoning_jax.studies import Measure, Study, last


def get_study() -> Study:
    return compare(
        "empo",
        "Does agreement teach without labels, and what where the majority is wrong?",
        VARIANTS,
        baseline="grpo",
        measures=(
            Measure("before", last("evaluate_sft", "eval/pass@1")),
            *MEASURES[:2],
            ENTROPY,
        ),
    )
