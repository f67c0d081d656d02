r"""Expressions as SymPy trees, and their values at fixed random points to 120 digits.

Expressions are compared by their values. Integrals, limits and infinite sums have none here: to
work them out may take for ever, and whoever answers with one has not answered. Nothing is
rebuilt, hence nothing evaluated, before its magnitude has been bounded.
"""

import dataclasses
import functools
import re
import zlib
from collections.abc import Callable
from fractions import Fraction

import mpmath
import sympy
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig

from reasoning_jax.verify.answers import guards, numerals
from reasoning_jax.verify.answers.evaluate import evaluate, evaluate_real

DIGITS = 120  # of every evaluation
AGREE = 100  # leading digits that must agree
POINTS = 6  # the first half has positive coordinates only
CACHED = 2_048

_CONVERSION = ConversionConfig(lowercase_symbols=False)
_DEGREE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*\\degree")
# Decimals as fractions: the parser would keep them as binary floats.
_DECIMAL = re.compile(r"([0-9]*)\.([0-9]+)")
_BARE_LOG = re.compile(r"\\log\s*(?!\s*_)")
_TEXT = re.compile(r"\\text\s*\{\s*([A-Za-z]+)\s*\}")
_PLUS = re.compile(r"(^|[(=,{])\s*\+")
_SCRIPT_PRIMES = re.compile(r"_\s*(\{[A-Za-z0-9]+\}|[A-Za-z0-9])\s*('+)")
_PRIMES = re.compile(r"([A-Za-z])('+)")
_SCRIPT = re.compile(r"_\s*(\{[^{}]*\}|\\?[A-Za-z0-9])")
_MODULO = re.compile(r"([0-9]+)\s*\\mod\s*([0-9]+)")
_BARS = re.compile(r"\|([^|]*)\|")


@dataclasses.dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
      tree: with ``i`` and ``e`` as constants.
      symbols: names of its free symbols.
    """

    tree: sympy.Basic
    symbols: frozenset[str]


@functools.lru_cache(maxsize=CACHED)
def parse(text: str, common_logarithm: bool = False) -> Expression:
    r"""Parses a spelled expression.

    Args:
      common_logarithm: ``\log`` without a base has base ten; e otherwise.

    Raises:
      ValueError: when it is not one expression, or (`guards.RefusedError`) not to be evaluated.
    """
    guards.check_text(text)
    number = numerals.read_number(text)
    if number is not None:
        value = number.value / 100 if number.percent else number.value
        return Expression(sympy.Rational(value.numerator, value.denominator), frozenset())
    source = _BARE_LOG.sub(r"\\log_{10} " if common_logarithm else r"\\ln ", _prepare(text))
    try:
        tree = latex2sympy(source, normalization_config=None, conversion_config=_CONVERSION)
    except RecursionError:
        raise guards.RefusedError("an expression nested too deep") from None
    except Exception as error:  # its parser raises bare Exception
        raise ValueError(f"not an expression: {text[:80]!r}") from error
    if not isinstance(tree, sympy.Expr):
        raise ValueError(f"not an expression: {text[:80]!r}")
    guards.check_magnitude(tree)
    constants = {symbol: sympy.I for symbol in tree.free_symbols if symbol.name == "i"}
    if constants:
        tree = tree.xreplace(constants)
    return Expression(tree, frozenset(symbol.name for symbol in tree.free_symbols))


def matrix(text: str) -> sympy.MatrixBase:
    """An expression in matrices, worked out.

    Raises:
      ValueError: when it is none, or is not to be evaluated.
    """
    guards.check_text(text)
    try:
        tree = latex2sympy(_prepare(text), normalization_config=None)
        guards.check_magnitude(tree)
        worked = tree.doit()
    except guards.RefusedError:
        raise
    except Exception as error:  # its parser raises bare Exception
        raise ValueError(f"not an expression in matrices: {text[:80]!r}") from error
    if not isinstance(worked, sympy.MatrixBase):
        raise ValueError(f"not an expression in matrices: {text[:80]!r}")
    return worked


@functools.lru_cache(maxsize=CACHED)
def values(text: str, common_logarithm: bool = False) -> tuple[mpmath.mpc | None, ...]:
    """The expression's value at each of the `POINTS` points (one, when it has no symbol).

    None where it is undefined or not worked out.
    """
    expression = parse(text, common_logarithm)
    tree = expression.tree
    symbols = tree.free_symbols
    count = POINTS if symbols else 1
    with mpmath.workdps(DIGITS):
        return tuple(
            _value(
                tree,
                {symbol: coordinate(symbol.name, index) for symbol in symbols},
                evaluate if index < POINTS // 2 or tree.has(sympy.I) else evaluate_real,
            )
            for index in range(count)
        )


def coordinate(name: str, point: int) -> mpmath.mpf:
    """The value of a symbol at a point: positive in the first half of points, of any sign after."""
    bits = zlib.crc32(f"{name}:{point}".encode())
    size = mpmath.mpf(3_000 + bits % 23_011) / 10_007
    return -size if point >= POINTS // 2 and bits >> 20 & 1 else size


def close(a: mpmath.mpc, b: mpmath.mpc) -> bool:
    """Whether two values agree to `AGREE` leading digits, or vanish together."""
    with mpmath.workdps(DIGITS):
        difference, size = abs(a - b), max(abs(a), abs(b))
        if difference <= size * mpmath.mpf(10) ** -AGREE:
            return True
        # One side is zero and the other what cancellation left of it.
        return min(abs(a), abs(b)) == 0 and size < mpmath.mpf(10) ** (5 - DIGITS)


def is_real(value: mpmath.mpc) -> bool:
    """Whether the imaginary part is no more than rounding."""
    with mpmath.workdps(DIGITS):
        return abs(value.imag) <= max(abs(value.real), 1) * mpmath.mpf(10) ** -AGREE


def as_fraction(value: mpmath.mpc) -> Fraction:
    """The real part as the exact binary fraction it is held as."""
    sign, mantissa, exponent, _ = value.real._mpf_  # another constructor would round
    whole = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -whole if sign else whole


def warm() -> None:
    """Loads grammar and evaluation once, so that the first question is not a slow one."""
    for text in (r"\frac{3\sqrt{13}}{2}", "2x+3", r"\sin^2(y)+e^{2\pi}", r"a_n\cdot n!", r"|x-1|"):
        values(text)


def _prepare(text: str) -> str:
    text = _DECIMAL.sub(lambda m: rf"\frac{{{m[1]}{m[2]}}}{{{10 ** len(m[2])}}}", text)
    text = _DEGREE.sub(r"(\\frac{\1\\pi}{180})", text)
    text = _TEXT.sub(lambda m: m[1] if len(m[1]) == 1 else rf"\operatorname{{{m[1]}}}", text)
    text = _PLUS.sub(r"\1", text)
    text = _SCRIPT_PRIMES.sub(lambda m: f"_{{{m[1].strip('{}')}{'p' * len(m[2])}}}", text)
    text = _PRIMES.sub(lambda m: f"{m[1]}_{{{'p' * len(m[2])}}}", text)
    text = _MODULO.sub(lambda m: str(int(m[1]) % int(m[2])) if int(m[2]) else m[0], text)
    text = _SCRIPT.sub(lambda m: "_{" + re.sub(r"[^A-Za-z0-9]", "", m[1]) + "}", text)
    return _BARS.sub(r"\\left|\1\\right|", text) if r"\left" in text else text


def _value(
    tree: sympy.Basic, point: dict[sympy.Basic, mpmath.mpf], evaluation: Callable
) -> mpmath.mpc | None:
    try:
        value = mpmath.mpc(evaluation(tree, point))
    except (ArithmeticError, ValueError, TypeError):
        return None
    return value if mpmath.isfinite(value) else None
