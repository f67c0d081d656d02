"""One spelling for equal answers, so that votes for them are counted together."""

from reasoning_jax.verify.answers.forms import (
    Form,
    Interval,
    Labelled,
    Matrix,
    Numeral,
    Ratio,
    RealSet,
    Relation,
    Scalar,
    Sequence,
    Words,
)
from reasoning_jax.verify.answers.numerals import read_number
from reasoning_jax.verify.answers.spelling import compact
from reasoning_jax.verify.answers.words import spell_words
from reasoning_jax.verify.equality import spell

_CLOSING = {"(": ")", "[": "]", r"\{": r"\}", "": ""}


def spell_form(form: Form) -> str:
    """The form as text: numbers exact, unordered items sorted, units and labels dropped."""
    match form:
        case Scalar(text, _):
            return _value(text)
        case Words(text):
            return spell_words(text)
        case Labelled(_, value):
            return spell_form(value)
        case Sequence(items, opening, _):
            spelled = [spell_form(item) for item in items]
            if opening not in ("(", "["):
                spelled.sort()
            return f"{opening}{','.join(spelled)}{_CLOSING[opening]}"
        case Interval():
            left, right = "[" if form.low_closed else "(", "]" if form.high_closed else ")"
            return f"{left}{_value(form.low)},{_value(form.high)}{right}"
        case RealSet(intervals, points, removed):
            parts = sorted(map(spell_form, intervals)) + sorted(map(_value, points))
            without = "".join(rf"\setminus {_value(point)}" for point in removed)
            return r"\cup ".join(parts) + without
        case Relation(sides, operators):
            pairs = zip(map(compact, sides), (*operators, ""))
            return "".join(side + operator for side, operator in pairs)
        case Matrix(rows):
            return r"\\".join("&".join(map(_value, row)) for row in rows)
        case Ratio(parts):
            return ":".join(map(_value, parts))
        case Numeral(digits, base):
            return f"{digits}_{base}"
    raise TypeError(f"no form of an answer: {form!r}")


def _value(text: str) -> str:
    number = read_number(text)
    return compact(text) if number is None else spell(number)
