"""Exact arithmetic on texts that a model wrote: nothing can hang, overflow or run code."""

import ast
import operator
import re
from fractions import Fraction

MAX_EXPRESSION = 200  # characters; bounds the size of values and the depth of parentheses

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}

_CHARACTERS = re.compile(r"[0-9.+\-*/() ]+")
_NODES = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def evaluate(expression: str) -> Fraction:
    """The exact value of an expression of decimals, ``+ - * /`` and parentheses.

    Raises:
      ValueError: when the text is anything else (powers, floor division, names), divides by
        zero, or is longer than MAX_EXPRESSION.
    """
    expression = expression.strip()
    if len(expression) > MAX_EXPRESSION:
        raise ValueError(f"expression of {len(expression)} characters; at most {MAX_EXPRESSION}")
    if not _CHARACTERS.fullmatch(expression):
        raise ValueError(f"not an arithmetic expression: {expression!r}")
    try:
        return _value(ast.parse(expression, mode="eval").body, expression)
    except (SyntaxError, RecursionError, MemoryError, ZeroDivisionError) as error:
        raise ValueError(f"cannot evaluate {expression!r}: {error}") from error


def numerals(expression: str) -> list[str]:
    """The numerals of an expression, left to right."""
    return re.findall(r"[0-9.]+", expression)


def _value(node: ast.expr, source: str) -> Fraction:
    match node:
        case ast.Constant():
            # The literal's own digits: a float would round them.
            return Fraction(source[node.col_offset : node.end_col_offset])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, source)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, source)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _NODES:
            return _NODES[type(op)](_value(left, source), _value(right, source))
    raise ValueError(f"only + - * / may be used: {source!r}")
