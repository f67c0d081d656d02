"""Rule rewards and the sorting of statements, by the worked cases and by hand."""

import pytest

from reasoning_jax.rewards.expert_iteration import Attempt, sort_statements
from reasoning_jax.rewards.rules import (
    answer_after_thinking,
    every_test,
    outcome_or_penalty,
    repeats,
)
from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify import grade

PROBLEM = Problem("t/train/0", "t", "?", "5")


def completion(text, reason="stop"):
    return Completion(text, (1,), (0.0,), reason)


def test_acereason_rules(cases):
    case = next(c for c in cases("acereason")["cases"] if c["id"] == "reward_rules")
    found = []
    for row in case["inputs"]["math"]:
        if row["has_end_think"]:
            text = rf"<think>\boxed{{1}}</think> so \boxed{{{row['boxed_after']}}}"
        else:
            text = rf"<think>maybe \boxed{{{row['boxed_anywhere']}}} and on"
        verdict = grade(text, row["gold"])
        found.append(answer_after_thinking(PROBLEM, completion(text), verdict))
    assert found == case["expected"]["math"]
    assert [every_test(row) for row in case["inputs"]["code_tests"]] == case["expected"]["code"]


def test_what_cannot_be_judged_after_thinking_is_left_out():
    text = r"</think>\boxed{5}"
    assert answer_after_thinking(PROBLEM, completion(text), Verdict(None, "timeout")) is None
    assert answer_after_thinking(PROBLEM, completion("</think>5"), Verdict(None, "x")) == 0.0


def test_penalties_stand_in_place_of_the_outcome():
    right, unknown = Verdict(True, "exact"), Verdict(None, "timeout")
    for text, reason, verdict, reward in (
        ("it is 5", "stop", right, 1.0),
        ("it is 4", "stop", Verdict(False, "different"), 0.0),
        ("it is 5", "length", right, -1.0),
        ("it \ufffd 5", "stop", right, -1.0),
        ("and so " * 20, "stop", right, -1.0),
        ("it is 5", "stop", unknown, None),
        ("it is 5", "length", unknown, -1.0),
    ):
        assert outcome_or_penalty(PROBLEM, completion(text, reason), verdict) == reward, text


def test_repeats_by_hand():
    assert repeats("abcabcabc", length=3, times=3) and not repeats("abcabcab", length=3, times=3)
    # A shorter piece fills the same stretch.
    assert repeats("xxabababababab", length=4, times=3) and repeats("aaaaaa", length=3, times=2)
    assert not repeats("abc-abc-abd", length=3, times=2) and not repeats("", length=1, times=2)
    with pytest.raises(ValueError, match="times 1"):
        repeats("a", times=1)


def test_expert_iteration_case(cases):
    case = next(c for c in cases("other_seeds")["cases"] if c["id"] == "expert_iteration_filter")
    found = sort_statements(Attempt(**row) for row in case["inputs"]["statements"])
    expected = case["expected"]
    assert list(found.train) == expected["train_ids"]
    assert list(found.retry) == expected["retry_ids"]
    assert list(found.drop) == expected["dropped_ids"]


def test_statements_are_sorted_by_all_attempts():
    def attempt(id, proved=False, empty=False, false=False):
        return Attempt(id, proved, empty, false)

    attempts = [attempt("a"), attempt("a", True), attempt("b", True), attempt("b", false=True)]
    found = sort_statements([*attempts, attempt("c"), attempt("c"), attempt("a", True)])
    assert (found.train, found.retry, found.drop) == (("a",), ("c",), ("b",))
