"""Assertions on a program that stands in another process."""

import pytest

from reasoning_jax.verify.programs import AssertTest, run_program

PROGRAM = """
import re
class Point:
    def __init__(self, x): self.x = x
    def moved(self, by): return Point(self.x + by)
    def __len__(self): return 3
    def __getitem__(self, i): return i * 10
class Node:
    def __init__(self, value, next=None): self.value, self.next = value, next
def square(x): return x * x
def items(n):
    for i in range(n): yield i
def apply(f, x): return [f(x), f(x + 1)]
def sort_in_place(x): x.sort()
def clear_and_return(x):
    x.clear()
    return len(x)
def fail(x): raise ValueError(f"no {x}")
def match(x): return re.match("a", x)
def reverse(node):
    last = None
    while node: node.next, last, node = last, node, node.next
    return last
def shift(node):
    while node: node.value += 1; node = node.next
def sum(a, b): return a - b
"""
NODES = """
class Node:
    def __init__(self, value, next=None): self.value, self.next = value, next
def chain(values):
    node = None
    for value in reversed(values): node = Node(value, node)
    return node
def values(node):
    found = []
    while node is not None: found.append(node.value); node = node.next
    return found
"""


@pytest.mark.parametrize(
    "source",
    [
        "assert square(3) == 9 and square(x=2) == 4",
        "assert isinstance(square(1.5), float) and type(square(2)) is int",
        "def check(candidate):\n    assert candidate(3) == 9\ncheck(square)",
        "assert Point(3).x == 3 and Point(3).moved(2).moved(1).x == 6",
        "points = [Point(1), Point(2)]\nassert [p.x for p in points] == [1, 2]",
        "assert list(items(3)) == [0, 1, 2] and len(Point(1)) == 3 and Point(1)[2] == 20",
        "assert apply(lambda v: v + 1, 3) == [4, 5]",
        "x = [3, 1, 2]\nsort_in_place(x)\nassert x == [1, 2, 3]",
        "x = [3, 1]\nassert clear_and_return(x) == 0 and x == [3, 1]",
        "try:\n    assert fail(3)\nexcept ValueError as e:\n    assert str(e) == 'no 3'",
        "assert math.isclose(square(0.1), 0.01)",
        "assert match('abc') and not match('b')",
        "assert values(reverse(chain([1, 2, 3]))) == [3, 2, 1]",
        "c = chain([1, 2])\nshift(c)\nassert values(c) == [2, 3]",
        "assert values(reverse(chain(list(range(800))))) == list(range(799, -1, -1))",
    ],
)
def test_right_programs_pass(source, level):
    result = run_program(PROGRAM, [AssertTest(source, setup=NODES)], level=level)
    assert result.passed, result


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("assert square(3) == 8", "failed_assert"),
        ("assert Point(3) == Point(3)", "unsupported_value"),
        ("assert Point(3) != 4", "unsupported_value"),
        ("assert Point(3) in [1, 2]", "unsupported_value"),
        ("assert fail(1) == 1", "exception:ValueError"),
        ("assert absent(1) == 1", "no_function"),
        ("assert abs(match('b') - 1) < 2", "exception:TypeError"),
        ("Point(3).x = 4", "unsupported_value"),
        ("import sys\nsys.exit(0)", "exception:SystemExit"),
    ],
)
def test_wrong_programs_fail(source, reason):
    (outcome,) = run_program(PROGRAM, [AssertTest(source)]).outcomes
    assert (outcome.passed, outcome.reason) == (False, reason)


@pytest.mark.parametrize(
    "test",
    [
        AssertTest("assert ("),
        AssertTest("assert square(3) == 9", setup="import nothing_of_this_name"),
        AssertTest("assert square(3) == 9", setup="def f(:"),
        AssertTest("class A: pass\nassert square(A()) == 9"),
        AssertTest("import os\nos._exit(0)"),
    ],
)
def test_a_broken_test_judges_nothing(test):
    (outcome,) = run_program(PROGRAM, [test]).outcomes
    assert (outcome.passed, outcome.reason) == (None, "broken_test")


def test_a_redefined_builtin_needs_its_name_listed():
    source = "assert sum(10, 15) == -5"
    assert run_program(PROGRAM, [AssertTest(source, names=("sum",))]).passed
    assert run_program(PROGRAM, [AssertTest(source)]).passed is False
