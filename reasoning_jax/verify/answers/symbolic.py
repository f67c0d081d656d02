"""Values compared by parsing and high-precision arithmetic. To be run where it can be killed."""

import dataclasses

import mpmath
import sympy

from reasoning_jax.verify.answers import expressions, names, numerals, precision
from reasoning_jax.verify.answers.exact import ExactValues
from reasoning_jax.verify.answers.forms import RealSet, Relation

_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", "=": "=", r"\ne": r"\ne"}
_ENOUGH = 2  # points where both sides have a value


class GoldError(ValueError):
    """The gold answer does not read as what its form asks for: it cannot be judged."""


@dataclasses.dataclass(frozen=True)
class SymbolicValues:
    """A comparator that leaves nothing open.

    Attributes:
      tolerance: largest absolute difference of numbers that counts as equal.
    """

    tolerance: float = 0.0

    def equal(self, gold: str, answer: str) -> bool:
        """Equal values at every random point.

        Raises:
          GoldError: when the gold is no expression, may not be evaluated or has no values.
        """
        decided = ExactValues(self.tolerance).equal(gold, answer)
        if decided is not None:
            return decided
        common = r"\log_{10}" in gold + answer or r"\log_10" in gold + answer
        try:
            ours = expressions.parse(gold, common)
        except ValueError as error:
            raise GoldError(str(error)) from error
        try:
            theirs = expressions.parse(answer, common)
            if len(ours.symbols ^ theirs.symbols) == 2 and r"\pi" in gold and r"\pi" in answer:
                answer = _same_parameter(ours.symbols, theirs.symbols, answer)
            answer_values = expressions.values(answer, common)
        except ValueError:
            return False
        gold_values = expressions.values(gold, common)
        if len(gold_values) == len(answer_values) == 1 and None not in gold_values + answer_values:
            with mpmath.workdps(expressions.DIGITS):
                return self._constants(gold, answer, gold_values[0], answer_values[0])
        if ours.tree == theirs.tree:
            return True
        agree = _agree(gold_values, answer_values)
        if agree is None and gold_values.count(None) > len(gold_values) - _ENOUGH:
            raise GoldError(f"no values: {gold[:80]!r}")
        return bool(agree)

    def equivalent(self, gold: Relation, answer: Relation) -> bool:
        """Equations and inequalities whose sides' differences have a constant ratio.

        Raises:
          GoldError: when the gold is no relation of expressions.
        """
        if ExactValues(self.tolerance).equivalent(gold, answer):
            return True
        if len(gold.sides) != 2 or len(answer.sides) != 2 or not all(answer.sides):
            return False
        ours, theirs = _difference(gold), _difference(answer)
        try:
            gold_values = expressions.values(ours)
        except ValueError as error:
            raise GoldError(str(error)) from error
        try:
            answer_values = expressions.values(theirs)
        except ValueError:
            return False
        if len(gold_values) == 1 or len(answer_values) == 1:
            return False
        ratio = _constant_ratio(gold_values, answer_values)
        if ratio is None or not expressions.is_real(ratio):
            return False
        operator = answer.operators[0]
        return gold.operators[0] == (operator if ratio.real > 0 else _FLIPPED.get(operator))

    def equal_matrix(self, gold: tuple[tuple[str, ...], ...], answer: str) -> bool:
        """Sums and products of matrices, worked out entry by entry."""
        try:
            entries = expressions.matrix(answer)
        except ValueError:
            return False
        if (len(gold), len(gold[0])) != entries.shape:
            return False
        return all(
            self.equal(wanted, sympy.latex(entries[i, j]))
            for i, row in enumerate(gold)
            for j, wanted in enumerate(row)
        )

    def has_member(self, gold: RealSet, point: str) -> int:
        """The interval that holds the point, by values.

        Raises:
          GoldError: when an end or the point has no value.
        """
        found = ExactValues(self.tolerance).has_member(gold, point)
        if found is not None:
            return found
        where = _real(point)
        for index, interval in enumerate(gold.intervals):
            if _real(interval.low) < where < _real(interval.high):
                return index
        return -1

    def _constants(self, gold: str, answer: str, ours: mpmath.mpc, theirs: mpmath.mpc) -> bool:
        if expressions.close(ours, theirs) and _exactly(gold, answer, ours):
            return True
        if not (expressions.is_real(ours) and expressions.is_real(theirs)):
            return False
        if self.tolerance and abs(ours.real - theirs.real) <= self.tolerance:
            return True
        wanted, given = numerals.read_number(gold), numerals.read_number(answer)
        if wanted is not None:
            value = expressions.as_fraction(theirs)
            near = expressions.close(theirs, ours * 100) if wanted.percent else False
            return near or precision.rounds(gold, wanted, value)
        if given is not None:
            value = expressions.as_fraction(ours)
            if given.percent:
                return False
            return precision.rounds_answer(answer, given, value)
        return False


def _same_parameter(ours: frozenset[str], theirs: frozenset[str], answer: str) -> str:
    """The answer with its parameter named as the gold's: k or n count the periods of angles."""
    (wanted,), (given,) = ours - theirs or {""}, theirs - ours or {""}
    counters = {"k", "n", "m", "l", "t", "z"}
    return names.rename(answer, given, wanted) if {wanted, given} <= counters else answer


def _exactly(gold: str, answer: str, value: mpmath.mpc) -> bool:
    """Confirms the equality of numbers too large for the digits compared."""
    if abs(value) < mpmath.mpf(10) ** (expressions.AGREE - 10):
        return True
    difference = expressions.parse(gold).tree - expressions.parse(answer).tree
    return bool(sympy.sympify(difference).doit() == 0)


def _agree(ours, theirs) -> bool | None:
    """Equal at all points; None when too few of them have values on both sides.

    Where one side leaves the reals, only points with positive symbols count.
    """
    count = max(len(ours), len(theirs))
    ours, theirs = (values * count if len(values) == 1 else values for values in (ours, theirs))
    compared = 0
    for point, (a, b) in enumerate(zip(ours, theirs)):
        if a is None or b is None:
            continue
        if point >= count // 2 and not (expressions.is_real(a) and expressions.is_real(b)):
            continue
        if not expressions.close(a, b):
            return False
        compared += 1
    return True if compared >= _ENOUGH else None


def _difference(relation: Relation) -> str:
    left, right = relation.sides
    return left if right.strip() == "0" else f"({left})-({right})"


def _constant_ratio(ours, theirs) -> mpmath.mpc | None:
    ratios = []
    for a, b in zip(ours, theirs):
        if a is None or b is None:
            continue
        if b == 0 or a == 0:
            return None
        with mpmath.workdps(expressions.DIGITS):
            ratios.append(a / b)
    if len(ratios) < _ENOUGH + 1 or not all(expressions.close(ratios[0], r) for r in ratios[1:]):
        return None
    return ratios[0]


def _real(text: str) -> mpmath.mpf:
    infinite = {r"\infty": mpmath.inf, r"+\infty": mpmath.inf, r"-\infty": -mpmath.inf}
    if text.strip() in infinite:
        return infinite[text.strip()]
    try:
        (value,) = expressions.values(text)
    except ValueError as error:
        raise GoldError(str(error)) from error
    if value is None:
        raise GoldError(f"no value: {text[:80]!r}")
    return value.real
