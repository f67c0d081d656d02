"""What is refused before it is evaluated: long texts, deep nesting, numbers too large to hold."""

import re

import mpmath
import sympy

MAX_EXPRESSION = 1_500  # characters of one expression
MAX_DEPTH = 12  # brackets within brackets
MAX_MARKS = 8  # factorials, bars or primes in one expression
MAX_DIGITS = 1_000  # of one literal
MAX_MAGNITUDE = 20_000  # |log10| of any intermediate value
MAX_COUNT = 3_000  # arguments of factorials, binomials; terms of sums

_DIGITS = re.compile(rf"[0-9]{{{MAX_DIGITS + 1},}}")
# The parser works binomials out as it reads them.
_BINOMIAL = re.compile(r"\\binom\W*[0-9]{5}|\\binom\s*\{[^{}]*[\^!]|[0-9]{5,}\s*\\choose")
_COUNTING = (sympy.factorial, sympy.factorial2, sympy.gamma, sympy.binomial)


class RefusedError(ValueError):
    """An expression that is not evaluated, for it would take too long or too much memory."""


def check_text(text: str) -> None:
    """Raises RefusedError for a text that is not to be parsed."""
    if len(text) > MAX_EXPRESSION:
        raise RefusedError(f"an expression of {len(text)} characters; at most {MAX_EXPRESSION}")
    if _DIGITS.search(text):
        raise RefusedError(f"a literal of more than {MAX_DIGITS} digits")
    depth = 0
    for character in text:
        depth += (character in "({[") - (character in ")}]")
        if depth > MAX_DEPTH:
            raise RefusedError(f"brackets nest more than {MAX_DEPTH} deep")
    if _BINOMIAL.search(text):
        raise RefusedError("a binomial of numbers of five digits or more")
    for mark in "!|'":
        if text.count(mark) > MAX_MARKS:
            raise RefusedError(f"more than {MAX_MARKS} {mark!r} in one expression")


def check_magnitude(expression: sympy.Basic) -> None:
    """Raises RefusedError when a value met on the way exceeds `MAX_MAGNITUDE`, as in power towers.

    Sizes are estimated from the leaves up, so that nothing large is ever computed.
    """
    _size(expression)


def _size(node: sympy.Basic) -> mpmath.mpf:
    """About how large the node's absolute value can be, symbols at most three."""
    if node.is_Number:
        return mpmath.mpf(1) if node.is_infinite or node is sympy.nan else abs(mpmath.mpf(node))
    if not node.args:
        return mpmath.mpf(3)
    sizes = [_size(child) for child in node.args]
    if isinstance(node, sympy.Add):
        size = sum(sizes)
    elif isinstance(node, sympy.Mul):
        size = mpmath.fprod(sizes)
    elif isinstance(node, (sympy.Pow, sympy.exp)):
        base, exponent = sizes if len(sizes) == 2 else (mpmath.e, sizes[0])
        _check(exponent * abs(mpmath.log10(base)) if base else mpmath.mpf(0))
        negative = node.args[-1].could_extract_minus_sign()
        size = base ** (-exponent if negative else exponent) if base else mpmath.mpf(0)
    elif isinstance(node, _COUNTING):
        if max(sizes) > MAX_COUNT:
            raise RefusedError(f"a factorial or binomial of more than {MAX_COUNT}")
        size = max(sizes) ** max(sizes)
    else:
        size = max(sizes)
    if isinstance(node, (sympy.Sum, sympy.Product)):
        for _, low, high in node.limits:
            if low.is_Integer and high.is_Integer and high - low > MAX_COUNT:
                raise RefusedError(f"a sum or product of more than {MAX_COUNT} terms")
    if size:
        _check(abs(mpmath.log10(size)))
    return size


def _check(magnitude: mpmath.mpf) -> None:
    if not magnitude <= MAX_MAGNITUDE:
        raise RefusedError(f"a value beyond 10^{MAX_MAGNITUDE}")
