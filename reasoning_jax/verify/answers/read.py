"""From an answer's spelled text to its form. What fits no form is a Scalar or Words."""

import functools
import re

from reasoning_jax.verify.answers import brackets, names, numerals, words
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
from reasoning_jax.verify.answers.spelling import spell_notation, unwrap_braces

MAX_LENGTH = 4_000  # characters; longer answers are compared as strings only
MAX_ITEMS = 128  # of a list; each may have to be compared with each
MAX_DEPTH = 8  # lists in tuples in sets ...

_LIST_MARKS = frozenset((",", ";", "and", "or"))
_ORDERS = frozenset(("<", ">", r"\le", r"\ge", r"\ne"))
_RELATIONS = _ORDERS | {"=", r"\approx", r"\in", r"\equiv"}
_THOUSANDS = re.compile(r"(?<![0-9.,])([0-9]{1,3})((?:,[0-9]{3})+)(?![0-9,])")
_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\{([pbBv]?matrix|smallmatrix|array)\}(?:\{[lcr|]+\})?(.*)"
    r"\\end\{\1\}\s*[)\]]?",
    re.DOTALL,
)
_SYSTEM = re.compile(
    r"(?:\\\{)?\s*\\begin\{(cases|aligned|array)\}(?:\{[lcr|]+\})?(.*)\\end\{\1\}", re.DOTALL
)
_BUILDER = re.compile(r"\\\{\s*([^|:<>]*?)\s*(?:\||:)(.*)\\\}")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?\s*([ap])\.?\s*m\b\.?", re.IGNORECASE)
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_REALS = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\text\{R\}|R")
_REAL_LINE = Interval(r"-\infty", r"\infty", False, False)
_PLUS_MINUS = re.compile(r"\\(pm|mp)\b")


@functools.lru_cache(maxsize=4_096)
def read(text: str) -> Form:
    """The form of a bare answer as written.

    Raises:
      ValueError: when it is too long or its brackets do not balance.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an answer of {len(text)} characters; at most {MAX_LENGTH} are read")
    return _read(unwrap_braces(spell_notation(text)), 0)


def _read(text: str, depth: int) -> Form:
    if depth > MAX_DEPTH:
        raise ValueError(f"brackets nest more than {MAX_DEPTH} deep")
    text = unwrap_braces(text)
    if numerals.read_number(text) is not None:
        return Scalar(text)
    if (clock := _CLOCK.fullmatch(_TEXT.sub(r"\1", text))) is not None:
        return Words(f"{int(clock[1])}:{clock[2] or '00'}{clock[3].lower()}m")
    if (numeral := numerals.read_base(text)) is not None:
        return Numeral(*numeral)
    if (matrix := _matrix(text)) is not None:
        return matrix
    if (system := _SYSTEM.fullmatch(text)) is not None and "&" not in system[2]:
        text = ", ".join(row for row in system[2].split("\\\\") if row.strip())
    text = words.drop_condition(words.drop_leading_text(text))
    if (found := _set_of_reals(text, depth)) is not None:
        return found
    listed = _list(text, depth)
    if listed is not None:
        return listed
    related = _relation(text, depth)
    if related is not None:
        return related
    return _bracketed(text, depth) or _colon(text, depth) or _scalar(text)


def _list(text: str, depth: int) -> Form | None:
    parts, marks = brackets.split(text, _LIST_MARKS)
    if not marks:
        return None
    _check_length(parts)
    if "," in marks and _THOUSANDS.search(text):
        mixed = any(mark != "," for mark in marks) or ", " in text
        joined = _THOUSANDS.sub(lambda m: m[1] + m[2].replace(",", ""), text)
        if mixed and joined != text:
            return _read(joined, depth + 1)
    parts = [part for part in parts if part]
    if not parts:
        raise ValueError(f"a list without items: {text[:80]!r}")
    joint = next((mark for mark in marks if mark in ("and", "or")), ",")
    if len(parts) == 1:
        return _read(parts[0], depth + 1)
    items = [expanded for part in parts for expanded in _plus_minus(part)]
    forms = [_read(item, depth + 1) for item in items]
    if joint == "," and any(isinstance(form, Words) for form in forms):
        labelled = all(isinstance(form, Labelled) for form in forms)
        if not labelled and not all(isinstance(form, Words) for form in forms):
            return Words(text)
    return Sequence(tuple(_group(forms)), "", joint)


def _check_length(parts: list[str]) -> None:
    if len(parts) > MAX_ITEMS:
        raise ValueError(f"a list of {len(parts)} items; at most {MAX_ITEMS} are compared")


def _group(forms: list[Form]) -> list[Form]:
    """Labels: dropped where only the first item has one, cut into tuples where they recur."""
    labels = [form.label if isinstance(form, Labelled) else None for form in forms]
    if labels[0] is not None and not any(labels[1:]) and names.is_unknown(labels[0]):
        first = forms[0].value
        head = first.items if isinstance(first, Sequence) and not first.opening else (first,)
        return [*head, *forms[1:]]
    if None in labels or len(set(labels)) == len(labels):
        return forms
    period = labels.index(labels[0], 1) if labels[0] in labels[1:] else len(labels)
    if len(labels) % period or labels != labels[:period] * (len(labels) // period):
        return forms
    if period == 1:
        return [form.value for form in forms]
    rows = (forms[start : start + period] for start in range(0, len(forms), period))
    return [Sequence(tuple(form.value for form in row), "(") for row in rows]


def _plus_minus(text: str) -> list[str]:
    r"""Both values of an expression with ``\\pm``; ``x = \\pm 2`` has the label on both."""
    if not _PLUS_MINUS.search(text):
        return [text]
    upper = _PLUS_MINUS.sub(lambda m: "+" if m[1] == "pm" else "-", text)
    lower = _PLUS_MINUS.sub(lambda m: "-" if m[1] == "pm" else "+", text)
    return [re.sub(r"(^|[=(,])\s*\+\s*", r"\1", upper), lower]


def _relation(text: str, depth: int) -> Form | None:
    sides, operators = brackets.split(text, _RELATIONS)
    if not operators:
        return None
    if operators == [r"\approx"] and not sides[0]:
        return _read(sides[1], depth + 1)
    if not all(sides):
        raise ValueError(f"a relation without a side in {text[:80]!r}")
    if r"\in" in operators:
        if len(operators) == 1 and names.is_name(sides[0]):
            return Labelled(sides[0], _read(sides[1], depth + 1))
        return Relation(tuple(sides), tuple(operators))
    if not _ORDERS.isdisjoint(operators):
        return Relation(tuple(sides), tuple(operators))
    named = names.is_name(sides[0])
    # Roundings behind an exact value say nothing; behind a label they are the value.
    while len(sides) > (2 if named else 1) and operators and operators[-1] == r"\approx":
        sides.pop()
        operators.pop()
    if not operators:
        return _read(sides[0], depth + 1)
    if named:
        return Labelled(sides[0], _value(sides[-1], depth))
    if len(sides) > 2 and names.is_closed(sides[0]):
        return _value(sides[-1], depth)
    if len(sides) == 2 and names.is_name(sides[1]) and names.is_closed(sides[0]):
        return Labelled(sides[1], _value(sides[0], depth))
    return Relation(tuple(sides), tuple("=" for _ in operators))


def _value(text: str, depth: int) -> Form:
    both = _plus_minus(text)
    if len(both) == 2:
        return Sequence(tuple(_read(value, depth + 1) for value in both))
    return _read(text, depth + 1)


def _bracketed(text: str, depth: int) -> Form | None:
    pieces = brackets.enclosed(text)
    if pieces is None:
        return None
    opening, content, closing = pieces
    if opening == r"\langle":
        opening, closing = "(", ")"
    if opening not in ("(", "[", r"\{") or closing not in (")", "]", r"\}"):
        return None
    parts, marks = brackets.split(content, frozenset((",", ";")))
    if not marks and opening + closing in ("()", "[]"):
        # Brackets around a single value are grouping.
        return _read(content, depth + 1)
    if len(parts) == 2 and opening + closing in ("(]", "[)"):
        return Interval(parts[0], parts[1], opening == "[", closing == "]")
    if opening + closing not in ("()", "[]", r"\{\}"):
        return None
    if not content:
        return Scalar(r"\emptyset") if opening == r"\{" else None
    listed = content if opening == r"\{" else None
    if listed is not None:
        inner = _read(listed, depth + 1)
        items = inner.items if isinstance(inner, Sequence) and not inner.opening else (inner,)
        return Sequence(items, opening)
    return Sequence(tuple(_read(part, depth + 1) for part in parts), opening)


def _set_of_reals(text: str, depth: int) -> Form | None:
    if _REALS.fullmatch(text) and text != "R":
        return RealSet((_REAL_LINE,))
    builder = _BUILDER.fullmatch(text)
    if (
        builder is not None
        and brackets.enclosed(text)
        and names.is_name(builder[1].split(r"\in")[0])
    ):
        return _read(words.drop_condition(builder[2].strip()), depth + 1)
    parts, marks = brackets.split(text, frozenset((r"\cup",)))
    _check_length(parts)
    if marks:
        label, equals, first = parts[0].rpartition(r"\in")
        if equals and names.is_name(label):
            parts[0] = first.strip()
        return _union([_read(part, depth + 1) for part in parts])
    parts, marks = brackets.split(text, frozenset((r"\setminus", "-")))
    if len(parts) == 2 and parts[0] and parts[1].startswith(r"\{"):
        whole, removed = (as_set(_read(part, depth + 1)) for part in parts)
        if whole is not None and removed is not None and not removed.intervals:
            return RealSet(whole.intervals, whole.points, whole.removed + removed.points)
    return None


def _union(forms: list[Form]) -> Form | None:
    sets = [as_set(form) for form in forms]
    if any(part is None for part in sets):
        return None
    return RealSet(
        tuple(interval for part in sets for interval in part.intervals),
        tuple(point for part in sets for point in part.points),
        tuple(point for part in sets for point in part.removed),
    )


def as_set(form: Form) -> RealSet | None:
    """The form as a set of real numbers: intervals, inequalities in one variable, finite sets."""
    match form:
        case RealSet():
            return form
        case Interval():
            return RealSet((form,))
        case Labelled(_, value):
            return as_set(value)
        case Relation():
            return _solution(form)
        case Sequence((Relation() as first, Relation() as second), "", "and"):
            return _between(first, second)
        case Sequence(items, "", _):
            union = _union(list(items)) if _inequalities(items) and form.joint == "or" else None
            return union if isinstance(union, RealSet) else None
        case Sequence((Scalar(low), Scalar(high)), "(" | "[" as opening):
            return RealSet((Interval(low, high, opening == "[", opening == "["),))
        case Sequence(items, r"\{") if all(isinstance(item, Scalar) for item in items):
            return RealSet((), tuple(item.text for item in items))
    return None


def bounded_name(form: Relation) -> str:
    """The symbol that an inequality bounds, ``""`` when it bounds none."""
    sides = form.sides
    if len(sides) == 3:
        return sides[1].strip() if names.is_variable(sides[1]) else ""
    if len(sides) != 2:
        return ""
    for side, other in (sides, sides[::-1]):
        function = names.call(side)
        held = function[0] if function else side
        if names.is_variable(side) and not names.mentions(other, held):
            return side.strip()
    return ""


def _inequalities(items: tuple[Form, ...]) -> bool:
    return all(isinstance(item, (Relation, Interval, RealSet)) for item in items) and (
        len({bounded_name(item) for item in items if isinstance(item, Relation)}) <= 1
    )


def _solution(form: Relation) -> RealSet | None:
    name, sides, operators = bounded_name(form), form.sides, form.operators
    if not name or not set(operators) <= _ORDERS:
        return None
    if len(sides) == 3:
        if r"\ne" in operators or len({operator in ("<", r"\le") for operator in operators}) != 1:
            return None
        (low, _, high), (first, second) = sides, operators
        if operators[0] in (">", r"\ge"):
            low, high, first, second = high, low, second, first
        closed = (first in (r"\le", r"\ge"), second in (r"\le", r"\ge"))
        whole = RealSet((Interval(low.strip(), high.strip(), *closed),))
        return _unfold(whole.intervals[0]) if name.startswith("|") else whole
    if len(sides) != 2:
        return None
    bound = sides[1] if sides[0].strip() == name else sides[0]
    below = (operators[0] in ("<", r"\le")) == (sides[0].strip() == name)
    closed = operators[0] in (r"\le", r"\ge")
    if operators[0] == r"\ne":
        return RealSet(
            (Interval(r"-\infty", bound, False, False), Interval(bound, r"\infty", False, False))
        )
    if name.startswith("|"):
        inner = (f"-({bound})", bound)
        if below:
            return RealSet((Interval(*inner, closed, closed),))
        return RealSet(
            (
                Interval(r"-\infty", inner[0], False, closed),
                Interval(bound, r"\infty", closed, False),
            )
        )
    if below:
        return RealSet((Interval(r"-\infty", bound, False, closed),))
    return RealSet((Interval(bound, r"\infty", closed, False),))


def _between(first: Relation, second: Relation) -> RealSet | None:
    """The numbers above one bound and below the other."""
    if bounded_name(first) != bounded_name(second):
        return None
    sets = (_solution(first), _solution(second))
    if any(part is None or len(part.intervals) != 1 for part in sets):
        return None
    above, below = sorted(
        (part.intervals[0] for part in sets), key=lambda part: part.low == r"-\infty"
    )
    if above.high != r"\infty" or below.low != r"-\infty" or above.low == r"-\infty":
        return None
    return RealSet((Interval(above.low, below.high, above.low_closed, below.high_closed),))


def _unfold(bounds: Interval) -> RealSet:
    """The numbers whose absolute value lies between positive bounds."""
    low, high, low_closed, high_closed = (
        bounds.low, bounds.high, bounds.low_closed, bounds.high_closed,
    )  # fmt: skip
    return RealSet((Interval(f"-({high})", f"-({low})", high_closed, low_closed), bounds))


def _matrix(text: str) -> Form | None:
    match = _MATRIX.fullmatch(text)
    if match is None or match[1] == "vmatrix" or r"\begin" in match[2]:
        return None
    body = match[2].replace(r"\hline", "").strip().removesuffix(r"\\")
    rows = tuple(
        tuple(cell.strip() for cell in row.split("&")) for row in body.split("\\\\") if row.strip()
    )
    if not rows or len({len(row) for row in rows}) != 1 or not all(all(row) for row in rows):
        raise ValueError(f"a matrix with rows of different lengths: {text[:80]!r}")
    return Matrix(rows)


def _colon(text: str, depth: int) -> Form | None:
    parts, marks = brackets.split(text, frozenset((":",)))
    if not marks or not all(parts):
        return None
    if len(parts) == 2 and names.is_name(parts[0]) and not names.is_variable(parts[0]):
        return Labelled(parts[0], _read(parts[1], depth + 1))
    numbers = [numerals.read_number(part) for part in parts]
    if any(number is not None and not number.value for number in numbers):
        return Words(text)  # a time of day such as 12:00
    if all(not words.is_words(part) for part in parts):
        return Ratio(tuple(parts))
    return None


def _scalar(text: str) -> Form:
    if _PLUS_MINUS.search(text):
        return Sequence(tuple(_scalar(value) for value in _plus_minus(text)))
    scalar = words.split_unit(text)
    if scalar.unit and numerals.read_number(scalar.text) is not None:
        return scalar
    number = numerals.read_words(text)
    if number is not None:
        return Scalar(str(number))
    if words.is_words(scalar.text):
        if words.spell_words(text) in words.ALL_REALS:
            return RealSet((_REAL_LINE,))
        return Words(text)
    return scalar
