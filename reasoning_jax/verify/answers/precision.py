"""When a rounded decimal stands for an exact value: by the digits it states, and not beyond."""

from fractions import Fraction

from reasoning_jax.verify.answers.numerals import decimals, read_number
from reasoning_jax.verify.equality import Number

ANSWER_DIGITS = 6  # significant digits of a decimal answer that stands for an exact gold


def equal_numbers(gold: str, answer: str, tolerance: float) -> bool | None:
    """Whether two numerals are equal, exactly or as rounded; None when one is no numeral.

    Args:
      tolerance: largest absolute difference that still counts as equal.
    """
    ours, theirs = read_number(gold), read_number(answer)
    if ours is None or theirs is None:
        return None
    if _within(ours, theirs, tolerance):
        return True
    places = decimals(gold)
    if places and decimals(answer) > places:
        return _significant(gold) >= 3 and rounds(gold, ours, theirs.value, theirs.percent)
    if not decimals(answer):
        return rounds(gold, ours, theirs.value, theirs.percent)
    return not places and rounds_answer(answer, theirs, ours.value)


def _within(gold: Number, answer: Number, tolerance: float) -> bool:
    """Whether two numbers are close, where a percent sign on one side may be hundredths."""
    candidates = {gold.value}
    if gold.percent != answer.percent:
        candidates.add(gold.value / 100 if gold.percent else gold.value * 100)
    return any(abs(each - answer.value) <= Fraction(repr(tolerance)) for each in candidates)


def rounds(text: str, number: Number, value: Fraction, percent: bool = False) -> bool:
    """Whether an exact value rounds, or is cut off, to the decimal as stated.

    Two significant digits must be rightly rounded, three may be cut off; one digit, or an integer,
    says nothing of rounding.
    """
    places, digits = decimals(text), _significant(text)
    if not places or digits < 2:
        return False
    unit = Fraction(1, 10**places)
    slack = unit if digits >= 3 else unit / 2
    candidates = {value}
    if number.percent and not percent:
        candidates.add(value * 100)
    return any(abs(candidate - number.value) < slack for candidate in candidates)


def rounds_answer(text: str, number: Number, gold: Fraction) -> bool:
    """Whether a decimal answer states an exact gold, no integer, to six digits or more."""
    places = decimals(text)
    if not places or _significant(text) < ANSWER_DIGITS or gold.denominator == 1:
        return False
    return abs(number.value - gold) < Fraction(1, 10**places)


def _significant(text: str) -> int:
    return len("".join(c for c in text if c.isdigit()).lstrip("0"))
