"""Sympy behind a syntax tree: values by hand, and what cannot get through."""

import os
import subprocess
import sys

import pytest

from reasoning_jax.tools import Syntax, Toolbox, symbolic
from reasoning_jax.tools.symbolic import work_out

VALUES = [
    ("1/3+1/6", "1/2"),
    ("0.1+0.2", "3/10"),
    ("2^10", "1024"),
    ("sqrt(8)", "2*sqrt(2)"),
    ("expand((x+1)**2)", "x**2 + 2*x + 1"),
    ("solve(x**2-2, x)", "[-sqrt(2), sqrt(2)]"),
    ("diff(sin(x)*x, x)", "x*cos(x) + sin(x)"),
    ("integrate(exp(-x), (x, 0, oo))", "1"),
    ("limit(sin(x)/x, x, 0)", "1"),
    ("Eq(1, 1)", "True"),
    ("factorint(360)", "{2: 3, 3: 2, 5: 1}"),
    ("Matrix([[1, 2], [3, 4]])**-1", "Matrix([[-2, 1], [3/2, -1/2]])"),
    ("primerange(2, 12)", "[2, 3, 5, 7, 11]"),
    ("lambda_ + y", "lambda_ + y"),
]
REFUSED = [
    "",
    "x =",
    "__import__('os').system('true')",
    "x.__class__",
    "().__class__",
    "(lambda: 1)()",
    "[x for x in (1,)]",
    "'a'*9",
    "open('/etc/passwd')",
    "eval(1)",
    "sympify(1)",
    "lambdify(x, x)",
    "simplify(x, rational=True)",
    "f'{x}'",
    "(x := 1)",
    "1 if x else 2",
    "x and y",
    "1" * 1001,
    "factorial(3000)",
    "\x00",
    "(" * 500,
]


@pytest.mark.parametrize("expression, value", VALUES)
def test_values(expression, value):
    assert (work_out(expression).correct, work_out(expression).extracted) == (True, value)


@pytest.mark.parametrize("expression", REFUSED)
def test_only_listed_functions_of_numbers_and_symbols_are_worked_out(expression):
    verdict = work_out(expression)
    assert verdict.correct is False and 0 < len(verdict.extracted) <= 2_000


def test_nothing_of_jax_is_loaded_by_a_worker():
    code = "import sys, reasoning_jax.tools.symbolic; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_in_a_worker_a_call_that_hangs_or_swells_is_killed_and_the_next_one_works():
    tool = symbolic(cpu_seconds=1.0, wall_seconds=60.0, memory_bytes=256 << 20)
    arguments = ["9**9**9**9", "factor(x**6-1)", "factorial(10**9)", "1/0", "junk("]
    with Toolbox([tool], Syntax(), wall_seconds=120).desk() as desk:
        hung, good, swollen, infinite, junk = desk.answer(
            [(row, f"<tool>{argument}") for row, argument in enumerate(arguments)]
        )
        again = desk.answer([(0, "<tool>2+2")])[0]
    assert hung.error and hung.text in ("no value: timeout", "no value: memory")
    assert swollen.error and swollen.text in ("no value: timeout", "no value: memory")
    assert (good.text, good.error) == ("(x - 1)*(x + 1)*(x**2 - x + 1)*(x**2 + x + 1)", False)
    assert (infinite.text, infinite.error) == ("zoo", False)
    assert junk.error and junk.text.startswith("SyntaxError")
    assert (again.text, again.error) == ("4", False)
