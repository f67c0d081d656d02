"""Comparison rules on pairs worked by hand."""

import json

import pytest

from reasoning_jax.verify.programs import CallTest, StdioTest
from reasoning_jax.verify.programs.comparison import OUTPUT_RULES, VALUE_RULES
from reasoning_jax.verify.programs.inside import codec


@pytest.mark.parametrize(
    ("rule", "output", "expected", "same"),
    [
        ("lines", "1 2\n3\n", "1 2\n3", True),
        ("lines", " 1 2 \n3 \n\n", "1 2\n3", True),
        ("lines", "1  2", "1 2", True),  # blanks inside a line separate tokens
        ("lines", "1 2 3", "1 2\n3", False),  # lines count
        ("lines", "1.50", "1.5", True),
        ("lines", "1.5000001", "1.5", False),
        ("lines", "1e2", "100", True),
        ("lines", "YES", "Yes", False),
        ("lines", "", "0", False),
        ("lines", "", "", True),
        ("lines", "1_0", "10", False),
        ("lines", "nan", "NaN", False),
        ("lines", "9" * 5000, "9" * 4999 + "8", False),
        ("lines", "1e999999999", "1e999999998", False),
        ("lines", "1\r\n2", "1\n2", True),
        ("close", "0.3333333", "0.33333333", True),
        ("close", "0.33", "0.33333333", False),
        ("close", "1000000.4", "1000000.0", True),  # relative above 1
        ("close", "7.0000001", "7", False),  # an expected integer is exact
        ("close", "1e400", "1.5", False),
        ("text", "a b\n", "a b", True),
        ("text", "a  b", "a b", False),
    ],
)
def test_outputs(rule, output, expected, same):
    assert OUTPUT_RULES[rule](output, expected) is same


@pytest.mark.parametrize(
    ("rule", "value", "expected", "same"),
    [
        ("exact", 1, 1, True),
        ("exact", 1, 1.0, False),
        ("exact", True, 1, False),
        ("exact", [1, 2], (1, 2), False),
        ("exact", (1, [2]), (1, [2]), True),
        ("exact", {3, 1, 2}, {2, 3, 1}, True),
        ("exact", {1: "a", 2: "b"}, {2: "b", 1: "a"}, True),
        ("exact", {1: "a"}, {1: "b"}, False),
        ("exact", {"1": 0}, {1: 0}, False),
        ("exact", "é\ud800", "é\ud800", True),
        ("exact", b"x", "x", False),
        ("exact", None, False, False),
        ("exact", 10**30, 10**30, True),
        ("exact", 10**30, 10**30 + 1, False),
        ("exact", 0.0, -0.0, False),
        ("json", (1, (2, 3)), [1, [2, 3]], True),
        ("json", [1.0], [1], False),
        ("close", [0.1 + 0.2], [0.3], True),
        ("close", 2, 2.0, True),
        ("close", True, 1.0, False),
        ("close", 0.31, 0.3, False),
        ("close", 3, 4, False),
        ("close", float("nan"), 0.5, False),
    ],
)
def test_values(rule, value, expected, same):
    packed = [json.loads(codec.dumps(item)) for item in (value, expected)]
    assert VALUE_RULES[rule](*packed) is same


def test_an_unknown_rule_is_named():
    with pytest.raises(ValueError, match=r"'fuzzy'.*lines"):
        StdioTest("", "", rule="fuzzy")
    with pytest.raises(ValueError, match=r"'lines'.*exact"):
        CallTest.of("f", [], 1, rule="lines")
