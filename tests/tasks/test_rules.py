"""The rules by which answers of benchmark files are judged."""

import pytest

from reasoning_jax.tasks.rules import RULES
from reasoning_jax.types import Check, Problem

OPTIONS = {"A": "$2\\sqrt{3}$", "B": "12", "C": "None of these", "D": "12.0"}


def verdict(rule: str, answer: str, response: str, **info):
    problem = Problem("set/test/0", "set", "", answer, info={"rule": rule, **info})
    given = RULES[rule](problem, response)
    return given.function(*given.args) if isinstance(given, Check) else given


@pytest.mark.parametrize(
    ("answer", "response", "correct"),
    [
        ("C", r"so \boxed{C}", True),
        ("C", r"\boxed{\text{C}}.", True),
        ("C", r"\boxed{\textbf{(C)}}", True),
        ("C", r"\boxed{(C) None of these}", True),
        ("C", r"\boxed{C. None of these}", True),
        ("C", r"\boxed{C: 5}", True),
        ("C", "The answer is (C).", True),
        ("C", "The answer is C because B is wrong.", True),
        ("C", "<think>A? \\boxed{A}</think>The final answer is $C$", True),
        ("C", "C", True),
        ("C", "(C)", True),
        ("C", "<think>\nA or B\n</think>\n\nC", True),
        ("C", r"\boxed{None of these}", True),
        ("A", r"\boxed{2\sqrt{3}}", True),
        ("AC", r"\boxed{A, C}", True),
        ("AC", r"\boxed{CA}", True),
        ("AC", r"\boxed{\text{A} and \text{C}}", True),
        ("AC", "the answer is A、C", True),
        ("AC", r"\boxed{A}", False),
        ("AC", r"\boxed{ABC}", False),
        ("C", r"\boxed{B}", False),
        ("C", r"\boxed{c}", False),
        ("C", r"\boxed{A, B, C, D}", False),
        ("C", r"\boxed{B or C}", False),
        ("C", r"\boxed{C^2}", False),
        ("C", r"\boxed{Cat}", False),
        ("C", r"\boxed{}", False),
        ("C", r"\boxed{7}", False),
        ("C", "Can it be C? A man thinks so.", False),
        ("A", "A man walks.", False),
        ("C", "", False),
    ],
)
def test_choice(answer, response, correct):
    given = verdict("choice", answer, response, options=OPTIONS)
    assert given.correct is correct, given


def test_choice_says_how_it_went():
    def reason(response):
        return verdict("choice", "AC", response, options=OPTIONS)

    assert reason(r"\boxed{C and A}").extracted == "AC"
    assert reason(r"\boxed{B}").reason == "different"
    assert reason("who knows").reason == "no_answer"
    assert reason(r"\boxed{7}").reason == "unparsed_answer"
    assert (reason(r"\boxed{7}").path, reason("AC").path) == ("boxed", None)


def test_verdicts_say_where_the_answer_was():
    assert verdict("equal_answer", "7", "#### 7").path == "after_hashes"
    # Algebra is needed here, so that the verdict comes of a check.
    given = verdict("equal_answer", r"\frac{\sqrt{8}}{2}", r"\boxed{\sqrt{2}}")
    assert (given.correct, given.path) == (True, "boxed")


@pytest.mark.parametrize(
    ("answer", "tolerance", "response", "correct"),
    [
        ("0.3333333333", 3.3e-5, r"\boxed{1/3}", True),
        ("0.3333333333", 3.3e-5, r"\boxed{0.33}", False),
        ("200.5", 0.02, "#### 200.52", True),
        ("200.5", 0.02, "#### 200.7", False),
        ("4.2", 0.1, r"\boxed{4.3}", True),
        ("4.2", 0.1, r"\boxed{4.31}", False),
        ("4.2", 0.1, r"\boxed{4.15\%}", True),
        ("-4.2", 0.1, r"\boxed{4.2}", False),
        ("4.2", 0.1, r"\boxed{many}", False),
        ("4.2", 0.1, "4.2", False),
    ],
)
def test_near_number(answer, tolerance, response, correct):
    given = verdict("near_number", answer, response, tolerance=tolerance)
    assert given.correct is correct, given


@pytest.mark.parametrize(
    ("answer", "response", "correct"),
    [
        (r"\frac{1}{2}", r"so \boxed{\frac{1}{2}}.", True),
        ("070", r"\boxed{70}", True),
        ("70", "<think>\\boxed{70}</think> \\boxed{71}", False),
        ("70", "It is 70", False),
        ("", r"\boxed{70}", None),
    ],
)
def test_equal_answer(answer, response, correct):
    assert verdict("equal_answer", answer, response).correct is correct


@pytest.mark.parametrize(
    "text",
    ["A" + " " * 300_000 + "x", "A, " * 100_000, r"\text{" * 50_000, "A and " * 50_000 + "?"],
)
def test_long_answers_take_one_pass(text):
    # Passes over the rest at every character would take hours.
    assert verdict("choice", "C", rf"\boxed{{{text}}}", options=OPTIONS).correct is False
    assert verdict("choice", "C", text, options=OPTIONS).correct is False
