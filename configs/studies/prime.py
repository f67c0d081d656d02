"""An online process reward model against a frozen one and outcomes alone, at equal completions.

python -m launch.study --study=configs/studies/prime.py --out=DIR
"""

from configs.chains import compare
from configs.prime import VARIANTS
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "prime",
        "Do rewards of tokens from an online implicit model make leave-one-out RL faster?",
        VARIANTS,
        baseline="rloo",
    )
