import time
from fractions import Fraction

import pytest

from reasoning_jax.tasks.arithmetic import evaluate, numerals


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(25-5)*3", Fraction(60)),
        ("25-5*3", Fraction(10)),
        ("1/3+1/6", Fraction(1, 2)),
        (" 0.1 + .2 ", Fraction(3, 10)),  # a float sum would be 0.30000000000000004
        ("-5+8", Fraction(3)),
        ("+30+46", Fraction(76)),
        ("0.12345678901234567890", Fraction("0.12345678901234567890")),
    ],
)
def test_values_are_exact(expression, value):
    assert evaluate(expression) == value


REFUSED = [
    *("(3+5", "9**9**9", "9//2", "1/0", "3(5)", "()", "05+1"),
    *("1e5", "1_0", "x", "1=1", "~1", "1,2"),
]
TOO_DEEP = "(" * 5_000 + "1" + ")" * 5_000


@pytest.mark.parametrize("expression", [*REFUSED, "", "3 5", TOO_DEEP, "9" * 100_000, "(" * 99])
def test_anything_else_is_refused_quickly(expression):
    start = time.perf_counter()
    with pytest.raises(ValueError):
        evaluate(expression)
    assert time.perf_counter() - start < 0.5


def test_numerals():
    assert numerals("(25-5)*3.5") == ["25", "5", "3.5"]
