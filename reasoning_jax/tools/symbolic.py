"""Symbolic mathematics as a tool: sympy in a worker process that can be killed.

Nothing of an expression is executed as Python: its syntax tree is walked, and only the
functions listed here are called.
"""

import ast
import functools
import operator
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from reasoning_jax.tools.protocol import ToolResult
from reasoning_jax.types import Check, Verdict

MAX_EXPRESSION = 1_000  # characters
MAX_VALUE = 2_000  # characters of a result

# Names of sympy that an expression may call.
FUNCTIONS = (
    *("simplify", "expand", "factor", "cancel", "apart", "together", "collect", "nsimplify"),
    *("solve", "solveset", "diff", "integrate", "limit", "series", "summation", "product"),
    *("sqrt", "cbrt", "root", "exp", "log", "Abs", "sign", "floor", "ceiling", "Min", "Max"),
    *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "atan2"),
    *("sinh", "cosh", "tanh", "gamma", "factorial", "binomial", "fibonacci"),
    *("gcd", "lcm", "isprime", "primerange", "nextprime", "factorint", "divisors", "totient"),
    *("Rational", "Integer", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Mod", "Matrix", "re", "im"),
    *("conjugate", "numer", "denom", "degree", "roots", "Poly", "trigsimp", "radsimp", "N"),
)
CONSTANTS = ("pi", "E", "I", "oo", "nan", "zoo")

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def prepare() -> None:
    """What a worker imports before the first expression is timed."""
    import sympy  # noqa: F401


def work_out(expression: str) -> Verdict:
    """The value of an expression in sympy's notation; other names are symbols, ``^`` is a power.

    Returns:
      A Verdict that carries text: ``extracted`` is the value where ``correct``, else why there
      is none.
    """
    try:
        return Verdict(True, "value", _evaluate(expression))
    except MemoryError:
        raise
    except Exception as error:  # sympy raises of every kind
        return Verdict(False, "no_value", f"{type(error).__name__}: {error}"[:MAX_VALUE])


def symbolic(
    cpu_seconds: float = 2.0, wall_seconds: float = 10.0, memory_bytes: int = 512 << 20
) -> "Symbolic":
    """``solve(x**2-2, x)``, ``integrate(exp(-x), (x, 0, oo))``: sympy, within limits per call."""
    return Symbolic(
        functools.partial(
            Check,
            work_out,
            cpu_seconds=cpu_seconds,
            wall_seconds=wall_seconds,
            memory_bytes=memory_bytes,
        )
    )


class Symbolic:
    """The tool ``sympy``; has no memory, so it is its own session.

    Args:
      check: arguments of `work_out` -> the check that works them out.
    """

    name = "sympy"

    def __init__(self, check: Callable[[tuple[str]], Check]):
        self._check = check

    def open(self) -> "Symbolic":
        return self

    def submit(self, argument: str) -> "Future[ToolResult]":
        from reasoning_jax.verify.pool import default_pool  # its workers import this module

        result: Future[ToolResult] = Future()

        def deliver(checked: "Future[Verdict]") -> None:
            if error := checked.exception():
                result.set_exception(error)
            else:
                result.set_result(_as_result(checked.result()))

        default_pool().submit(self._check((argument,))).add_done_callback(deliver)
        return result

    def close(self) -> None:
        pass


def _as_result(verdict: Verdict) -> ToolResult:
    if verdict.correct is None:
        return ToolResult(f"no value: {verdict.reason}", error=True)
    return ToolResult(verdict.extracted, error=not verdict.correct)


def _evaluate(expression: str) -> str:
    if len(expression) > MAX_EXPRESSION:
        raise ValueError(f"expression of {len(expression)} characters; at most {MAX_EXPRESSION}")
    tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
    text = str(_value(tree.body))
    if len(text) > MAX_VALUE:
        raise ValueError(f"a value of {len(text)} characters; at most {MAX_VALUE} can be shown")
    return text


def _value(node: ast.expr) -> Any:
    import sympy

    match node:
        case ast.Constant(value=bool() | int()):
            return sympy.sympify(node.value)
        case ast.Constant(value=float()):
            return sympy.Rational(str(node.value))
        case ast.Name(id=name) if name in CONSTANTS:
            return getattr(sympy, name)
        case ast.Name(id=name):
            return sympy.Symbol(name)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            found = getattr(sympy, name)(*map(_value, arguments))
            return list(found) if name == "primerange" else found
        case ast.Call(func=ast.Name(id=name)):
            raise ValueError(f"no function {name!r} without keywords")
    raise ValueError(f"cannot read {ast.unparse(node)!r}")
