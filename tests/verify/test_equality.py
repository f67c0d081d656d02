import time
from fractions import Fraction

import pytest

from reasoning_jax.verify import compare, grade, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", Fraction(42)),
        ("-1,234,567.50", Fraction(-123456750, 100)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("6/4", Fraction(3, 2)),
        ("-3/4", Fraction(-3, 4)),
        (r"\frac{1}{2}", Fraction(1, 2)),
        (r"-\dfrac{3}{4}", Fraction(-3, 4)),
        (r"\frac{-3}{4}", Fraction(-3, 4)),
        (r"\frac12", Fraction(1, 2)),
        ("$18", Fraction(18)),
        ("-$5", Fraction(-5)),
        ("$-5", Fraction(-5)),
        (r"$\$1{,}000$", Fraction(1000)),
        ("1.5e3", Fraction(1500)),
        ("2e-2", Fraction(1, 50)),
    ],
)
def test_parse_number_is_exact(text, value):
    assert parse_number(text).value == value


NO_NUMERALS = [
    *(".", "-", "$", "%", "1,2", "1,00", "12,34", "--3", "1/0", "1/2/3", "x", "9**9"),
    *("1e1000", "1_000", "٣", "²", "nan", "inf", "0x10"),
]


@pytest.mark.parametrize("text", [*NO_NUMERALS, "", "3 apples", "1 2", "9" * 1_001])
def test_parse_number_refuses_what_is_not_one_numeral(text):
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("answer", "gold", "correct", "reason"),
    [
        ("7", "7", True, "exact"),
        ("1,000", "1000", True, "rational"),
        ("0.5", "1/2", True, "rational"),
        ("7", "7.0", True, "rational"),
        ("50%", "50", True, "rational"),
        ("50%", "0.5", True, "rational"),
        ("0.5%", "50%", False, "different"),  # 0.005 and 0.5
        ("1", "100", False, "different"),
        ("20001", "20000", False, "different"),
        ("0.333", "1/3", False, "different"),
        ("seven", "7", False, "unparsed_answer"),
        ("", "7", False, "no_answer"),
        (None, "7", False, "no_answer"),
        ("7", " ", None, "empty_gold"),
        ("7", "x + 1", None, "unparsed_gold"),
        ("x  + 1.", "x + 1", True, "exact"),
    ],
)
def test_compare_names_the_rule_that_decided(answer, gold, correct, reason):
    verdict = compare(answer, gold)
    assert (verdict.correct, verdict.reason) == (correct, reason)


@pytest.mark.parametrize("a", ["7", "1,000", "0.5", "1/2", "50%", "-$5", r"\frac{1}{2}", "x+1"])
@pytest.mark.parametrize("b", ["7.0", "1000", ".50", "2/4", "0.005", "-5", "50", "500/1000"])
def test_reflexive_and_symmetric(a, b):
    assert compare(a, a).correct and compare(b, b).correct
    if "x" not in a:
        assert compare(a, b).correct == compare(b, a).correct


def test_grade_accepts_bare_answers_and_whole_responses():
    for response in (
        " 3 ",
        r"thus \boxed{3}",
        "1+2=3\n#### 3",
        "The answer is 3.",
        r"<think>\boxed{4}</think>\boxed{3.0}",
    ):
        assert grade(response, "3").correct is True, response
        assert grade(response, "4").correct is False, response
    assert grade(r"\boxed{}", "3").reason == "no_answer"
    assert grade("I think 3", "3").correct is False  # no mark: the text itself is the answer
    assert grade("18", "She has 16+2=18.\n#### 18").correct is True
    assert grade("\\boxed{1}", "\\boxed{1}").correct is True


HOSTILE = (
    "9" * 1_000_000,
    "9**9**9**9",
    "1e999999999",
    "(" * 100_000,
    r"\frac{" * 50_000,
    "-" * 200_000,
    "1/" * 100_000,
    "1,111" * 50_000,
    "\x00\ud800",
    "{",
    "\\",
    "$$",
    r"\boxed{",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_judged_quickly(text):
    start = time.perf_counter()
    assert grade(text, "3").correct is False
    assert grade("3", text).correct is not True
    assert grade(text, text).correct is True
    assert time.perf_counter() - start < 2
