import pytest

from reasoning_jax.tools import Syntax, Toolbox, ToolResult, calculator

ROWS = [
    ("2*3", ToolResult("6")),
    ("-12+5", ToolResult("-7")),
    ("3--5", ToolResult("8")),
    (" (1 + 2) * 3 ", ToolResult("9")),
    ("0.1+0.2", ToolResult("3/10")),
    ("999999*999999", ToolResult("999998000001")),
]
FAULTY = ["", "x", "1/0", "2**9", "1,2", "(" * 100, "9" * 300, "__import__('os')", "1//2", "\x00"]


def answer(argument):
    with Toolbox([calculator()], Syntax()).desk() as desk:
        return desk.answer([(0, f"<tool>{argument}")])[0]


@pytest.mark.parametrize("argument, result", ROWS)
def test_exact_values(argument, result):
    assert answer(argument) == result


@pytest.mark.parametrize("argument", FAULTY)
def test_faulty_expressions_are_errors_with_a_bounded_message(argument):
    result = answer(argument)
    assert result.error and 0 < len(result.text) < 600
