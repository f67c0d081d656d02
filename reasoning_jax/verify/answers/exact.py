"""Values compared without evaluating anything: as strings and as exact rational numbers."""

import dataclasses

from reasoning_jax.verify.answers import numerals, precision, words
from reasoning_jax.verify.answers.forms import RealSet, Relation
from reasoning_jax.verify.answers.spelling import compact

_INFINITE = {r"\infty": 1, r"+\infty": 1, r"-\infty": -1}


@dataclasses.dataclass(frozen=True)
class ExactValues:
    """A comparator that takes microseconds and leaves open whatever needs algebra.

    Attributes:
      tolerance: largest absolute difference of numbers that counts as equal.
    """

    tolerance: float = 0.0

    def equal(self, gold: str, answer: str) -> bool | None:
        """Equal strings, equal numbers; False where one side is a number and the other words."""
        ours, theirs = compact(gold), compact(answer)
        if ours == theirs:
            return True
        if ours in _INFINITE or theirs in _INFINITE:
            return _INFINITE.get(ours) == _INFINITE.get(theirs)
        equal = precision.equal_numbers(gold, answer, self.tolerance)
        if equal is not None:
            return equal
        if words.is_words(gold) or words.is_words(answer):
            return words.spell_words(gold) == words.spell_words(answer)
        return None

    def equivalent(self, gold: Relation, answer: Relation) -> bool | None:
        """True for equal sides; needs algebra otherwise."""
        if tuple(map(compact, gold.sides)) == tuple(map(compact, answer.sides)):
            return gold.operators == answer.operators
        return None

    def equal_matrix(self, gold: tuple[tuple[str, ...], ...], answer: str) -> None:
        """Needs algebra."""

    def has_member(self, gold: RealSet, point: str) -> int | None:
        """The interval that holds the point, when all ends are plain numbers."""
        value = numerals.read_number(point)
        if value is None:
            return None
        for index, interval in enumerate(gold.intervals):
            low, high = _end(interval.low), _end(interval.high)
            if low is None or high is None:
                return None
            if low < value.value < high:
                return index
        return -1


def _end(text: str):
    sign = _INFINITE.get(compact(text))
    if sign is not None:
        return sign * float("inf")
    number = numerals.read_number(text)
    return None if number is None else number.value
