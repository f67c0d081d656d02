"""One update per batch or four, and problems that get harder.

python -m launch.study --study=configs/studies/acereason.py --out=DIR
"""

from configs.acereason import VARIANTS
from configs.chains import compare
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare(
        "acereason",
        "Does strictly on-policy training keep entropy, and does a curriculum help?",
        VARIANTS,
        baseline="on_policy",
    )
