"""How accurate verdicts become, one alone and the majority of eight.

python -m launch.study --study=configs/studies/heimdall.py --out=DIR
"""

from configs.chains import compare
from configs.heimdall import VARIANTS
from reasoning_jax.studies import Measure, Study, last


def get_study() -> Study:
    return compare(
        "heimdall",
        "Does RL on verdicts make a verifier, and do repeated verdicts help?",
        VARIANTS,
        baseline="heimdall",
        measures=tuple(
            Measure(f"{name} {when}", last(stage, f"eval/{name}"))
            for name in ("pass@1", "maj@8")
            for when, stage in (("before", "evaluate_sft"), ("after", "evaluate_rl"))
        ),
    )
