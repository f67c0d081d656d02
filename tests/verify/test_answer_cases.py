"""Answer pairs with verdicts from other projects' tests, read from outside the repository.

Every verdict of ours that differs from theirs stands in ``differences.jsonl`` with its reason: a
``policy`` of theirs (a format, a tolerance) or a wrong ``label``.
"""

import hashlib
import json
import os
import pathlib
import re

import pytest

from reasoning_jax.types import Check
from reasoning_jax.verify import EVALUATION, GOLD, extract, find, judge

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(
    os.environ.get("REASONING_JAX_VERIFIER_CASES", REPOSITORY.parent / "shared/verifier_cases")
)
DIFFERENCES = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parent / "differences.jsonl").read_text().splitlines()
]
UNIT_TESTS = (
    *("areal_tests", "hendrycks_math_tests", "lighteval_tests", "math_verify_tests"),
    *("maxtext_tests", "nemo_rl_tests", "olympiadbench_scoring", "open_instruct_tests"),
    *("qwen_math_grader_comments", "rllm_tests", "simply_tests", "skythought_tests"),
    *("slime_tests", "trl_openr1_tests", "tunix_tests"),
)
_PRECISION = re.compile(r'"precision": *("?[\d.e+-]+"?|\[[^\]]*\])')


def read_cases(name: str) -> list[dict]:
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no pairs at {path}; set REASONING_JAX_VERIFIER_CASES")
    return [json.loads(line) for line in path.read_text().splitlines()]


def is_right(case: dict) -> bool:
    """Our verdict, all of it in this process."""
    found = find(case["pred"], EVALUATION)
    golds = [case["gold"]] if isinstance(case["gold"], str) else case["gold"]
    for gold in golds:
        text = extract(gold, GOLD) or ""
        verdict = judge(found.text if found else None, text, tolerance(case))
        if isinstance(verdict, Check):
            verdict = verdict.function(*verdict.args)
        if verdict.correct:
            return True
    return False


def tolerance(case: dict) -> float:
    """The absolute error that the case itself allows."""
    if "precision" in (options := case.get("options") or {}):
        return 0.5 * 10.0 ** -options["precision"]  # decimals that are compared
    stated = _PRECISION.search(case.get("note") or "")
    if stated is None:
        return 0.0
    value = json.loads(stated[1])
    return float(value[0] if isinstance(value, list) else value)


def digest(case: dict) -> str:
    return hashlib.sha256(json.dumps([case["gold"], case["pred"]]).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", [*UNIT_TESTS, "qwen_maj_example"])
def test_verdicts_differ_only_where_the_table_says(name):
    listed = {row["pair"] for row in DIFFERENCES if row["file"] == name}
    cases = read_cases(name)
    differ = {digest(case) for case in cases if is_right(case) != case["expected"]}
    assert differ <= listed
    # A row of the table that is no difference any more is to be deleted.
    assert listed & {digest(case) for case in cases} <= differ


def test_every_difference_has_a_reason():
    assert {row["kind"] for row in DIFFERENCES} <= {"policy", "label"}
    assert all(row["reason"] for row in DIFFERENCES)
    assert len({(row["file"], row["pair"]) for row in DIFFERENCES}) == len(DIFFERENCES)


def test_hard_answers_are_recalled_without_false_positives():
    cases = read_cases("tinyv_hardverify")
    right = [is_right(case) for case in cases]
    true_positives = sum(given and case["expected"] for given, case in zip(right, cases))
    assert true_positives / sum(case["expected"] for case in cases) >= 0.8
    assert true_positives / sum(right) >= 0.98


def test_all_verdicts_on_grade_school_solutions_agree():
    cases = read_cases("gsm8k_model_solutions")
    assert [is_right(case) for case in cases] == [case["expected"] for case in cases]
