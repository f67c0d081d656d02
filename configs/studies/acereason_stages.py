"""Longer responses by and by against all at once, and what mathematics is worth to code.

python -m launch.study --study=configs/studies/acereason_stages.py --out=DIR
"""

from configs.acereason_stages import VARIANTS
from configs.chains import compare
from reasoning_jax.studies import Curve, Measure, Study, last
from reasoning_jax.studies.measures import series

PARTS = ("short", "long", "code")
CODE = "eval/part/code/pass@1"


def code_after_two_thirds(lines) -> float:
    """pass@1 of code when two thirds of the steps are done: in staged and fixed none was of it."""
    steps, values = series(lines, "rl", CODE)
    return values[steps.index(steps[-1] * 2 // 3)]


def get_study() -> Study:
    return compare(
        "acereason_stages",
        "Do stages of length help, and does mathematics lift the pass rate of code?",
        VARIANTS,
        baseline="fixed",
        measures=(
            Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
            *(Measure(part, last("evaluate_rl", f"eval/part/{part}/pass@1")) for part in PARTS),
            Measure("code before RL", last("evaluate_sft", CODE)),
            Measure("code after two thirds", code_after_two_thirds),
        ),
        curves=tuple(Curve("rl", f"eval/part/{part}/pass@1", part) for part in PARTS),
    )
