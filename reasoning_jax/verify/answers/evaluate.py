"""The value of a SymPy tree at a point, in mpmath's arithmetic at its working precision.

SymPy's own code printer is not used: it writes integers as Python's, whose quotients are floats.
"""

import zlib
from collections.abc import Callable, Mapping

import mpmath
import sympy
from sympy.core.function import AppliedUndef

_FUNCTIONS: dict[type, Callable] = {
    sympy.exp: mpmath.exp,
    sympy.sin: mpmath.sin,
    sympy.cos: mpmath.cos,
    sympy.tan: mpmath.tan,
    sympy.cot: mpmath.cot,
    sympy.sec: mpmath.sec,
    sympy.csc: mpmath.csc,
    sympy.asin: mpmath.asin,
    sympy.acos: mpmath.acos,
    sympy.atan: mpmath.atan,
    sympy.acot: mpmath.acot,
    sympy.asec: mpmath.asec,
    sympy.acsc: mpmath.acsc,
    sympy.sinh: mpmath.sinh,
    sympy.cosh: mpmath.cosh,
    sympy.tanh: mpmath.tanh,
    sympy.coth: mpmath.coth,
    sympy.asinh: mpmath.asinh,
    sympy.acosh: mpmath.acosh,
    sympy.atanh: mpmath.atanh,
    sympy.Abs: abs,
    sympy.floor: mpmath.floor,
    sympy.ceiling: mpmath.ceil,
    sympy.factorial: mpmath.factorial,
    sympy.factorial2: mpmath.fac2,
    sympy.gamma: mpmath.gamma,
    sympy.binomial: mpmath.binomial,
    sympy.Max: max,
    sympy.Min: min,
    sympy.Mod: lambda a, b: a % b,
    sympy.sign: mpmath.sign,
    sympy.re: mpmath.re,
    sympy.im: mpmath.im,
    sympy.arg: mpmath.arg,
    sympy.conjugate: mpmath.conj,
    sympy.UnevaluatedExpr: lambda value: value,
}
_CONSTANTS = {
    sympy.pi: lambda: +mpmath.pi,
    sympy.E: lambda: +mpmath.e,
    sympy.I: lambda: mpmath.mpc(0, 1),
    sympy.EulerGamma: lambda: +mpmath.euler,
    sympy.GoldenRatio: lambda: +mpmath.phi,
}


def evaluate_real(node: sympy.Basic, point: Mapping[sympy.Basic, mpmath.mpf]) -> mpmath.mpf:
    """The node's value where every part of it is real, as in sqrt(x)*sqrt(y) = sqrt(x*y).

    Raises:
      ValueError: as `evaluate`.
      ArithmeticError: where it is undefined or a part of it is not real.
    """
    for part in node.atoms(sympy.Pow, sympy.log):
        if not part.has(sympy.Sum, sympy.Product) and mpmath.im(evaluate(part, point)) != 0:
            raise ArithmeticError(f"{part} is not real")
    return evaluate(node, point)


def evaluate(node: sympy.Basic, point: Mapping[sympy.Basic, mpmath.mpf]) -> mpmath.mpc:
    """The node's value; odd roots of negative reals are the real ones.

    Raises:
      ValueError: for what has no numerical value, such as a limit.
      ArithmeticError: where it is undefined.
    """
    if node.is_Rational:
        return mpmath.mpf(int(node.p)) / int(node.q)
    if node in point:
        return point[node]
    if node in _CONSTANTS:
        return _CONSTANTS[node]()
    if isinstance(node, sympy.Pow):
        return _power(node, point)
    if isinstance(node, (sympy.Sum, sympy.Product)):
        return _series(node, point)
    known = isinstance(node, (sympy.Add, sympy.Mul, sympy.log, AppliedUndef))
    if not node.args or not (known or type(node) in _FUNCTIONS):
        raise ValueError(f"no value for {type(node).__name__}")
    arguments = [evaluate(child, point) for child in node.args]
    if isinstance(node, sympy.Add):
        return mpmath.fsum(arguments)
    if isinstance(node, sympy.Mul):
        return mpmath.fprod(arguments)
    if isinstance(node, sympy.log):
        value = mpmath.log(arguments[0])
        return value / mpmath.log(arguments[1]) if len(arguments) == 2 else value
    if isinstance(node, AppliedUndef):
        return _unknown(node.func.__name__, arguments)
    return _FUNCTIONS[type(node)](*arguments)


def _series(node: sympy.Basic, point: Mapping[sympy.Basic, mpmath.mpf]) -> mpmath.mpc:
    """A finite sum or product, term by term; `guards` bounds how many."""
    (index, low, high), *more = node.limits
    if more or not (low.is_Integer and high.is_Integer):
        raise ValueError(f"no value for {type(node).__name__} over {node.limits}")
    join = mpmath.fsum if isinstance(node, sympy.Sum) else mpmath.fprod
    return join(
        evaluate(node.function, {**point, index: mpmath.mpf(term)})
        for term in range(int(low), int(high) + 1)
    )


def _unknown(name: str, arguments: list[mpmath.mpf]) -> mpmath.mpf:
    """Stands for an unknown ``f(x)``: a fixed wave for each name, equal at equal arguments."""
    bits = zlib.crc32(name.encode())
    phase = mpmath.mpf(bits % 10_007) / 10_007
    weights = (mpmath.mpf(1 + index + (bits >> 16) % 97) / 53 for index in range(len(arguments)))
    return 2 + mpmath.sin(phase + mpmath.fsum(w * a for w, a in zip(weights, arguments)))


def _power(node: sympy.Pow, point: Mapping[sympy.Basic, mpmath.mpf]) -> mpmath.mpc:
    base, exponent = (evaluate(child, point) for child in node.args)
    ratio = node.args[1]
    if not ratio.is_Rational and not ratio.free_symbols:
        ratio = sympy.nsimplify(ratio) if ratio.is_rational else ratio
    if ratio.is_Rational and ratio.q % 2 and mpmath.im(base) == 0 and mpmath.re(base) < 0:
        size = mpmath.power(-mpmath.re(base), exponent)
        return -size if ratio.p % 2 else size
    return mpmath.power(base, exponent)
