"""Step rewards by their least and by their mean, beside outcomes alone.

python -m launch.study --study=configs/studies/pure.py --out=DIR
"""

from configs.chains import compare
from configs.pure import VARIANTS
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "pure",
        "Is the worst step of a solution a better reward than the mean of its steps?",
        VARIANTS,
        baseline="outcome",
    )
