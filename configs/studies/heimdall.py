"""How accurate verdicts become, and what choosing among solutions by them is worth.

python -m launch.study --study=configs/studies/heimdall.py --out=DIR
"""

from configs.chains import compare
from configs.heimdall import VARIANTS
from reasoning_jax.studies import Measure, Study, last


def get_study() -> Study:
    of_verdicts = tuple(
        Measure(f"{name} {when}", last(f"evaluate_{stage}", f"eval/{name}"))
        for name in ("pass@1", "maj@8")
        for when, stage in (("before", "sft"), ("after", "rl"))
    )
    of_choices = tuple(
        Measure(label, last("choose_rl", f"eval/{name}"))
        for label, name in (
            ("solver alone", "solver_pass@1"),
            ("majority of 8", "solver_maj@8"),
            ("pessimistic, 1 verdict", "pessimistic_0.1@8x1"),
            ("pessimistic, 8 verdicts", "pessimistic_0.1@8x8"),
            ("wrong solutions found", "flaws_found"),
        )
    )
    return compare(
        "heimdall",
        "Does RL make a verifier, do repeated verdicts help, does it choose better than a vote?",
        VARIANTS,
        baseline="heimdall",
        measures=(*of_verdicts, *of_choices),
    )
