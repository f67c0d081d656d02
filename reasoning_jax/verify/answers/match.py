r"""Whether two forms are equal, the type taken from the gold one.

Values are compared by a `Comparator`, which may leave a question open: the result is then None,
and a stronger comparator is asked. Forms that do not fit each other are different.
"""

import dataclasses
from collections.abc import Iterable
from typing import Protocol

from reasoning_jax.verify.answers import names, words
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
from reasoning_jax.verify.answers.read import as_set, bounded_name
from reasoning_jax.verify.answers.spelling import compact


class Comparator(Protocol):
    """Judges values; None leaves the question open."""

    def equal(self, gold: str, answer: str) -> bool | None:
        """Whether two expressions have the same value everywhere."""

    def equivalent(self, gold: Relation, answer: Relation) -> bool | None:
        """Whether two equations or inequalities have the same solutions."""

    def equal_matrix(self, gold: tuple[tuple[str, ...], ...], answer: str) -> bool | None:
        """Whether an expression in matrices has the entries of the gold."""

    def has_member(self, gold: RealSet, point: str) -> int | None:
        """Which of the intervals holds a point; -1 for none."""


def same(gold: Form, answer: Form, values: Comparator) -> bool | None:
    """True, False, or None when the comparator leaves it open."""
    gold, answer = _single(gold), _single(answer)
    match gold, answer:
        case Labelled(), Labelled():
            return _labelled(gold, answer, values)
        case Labelled(), Relation():
            return values.equivalent(_as_relation(gold), answer)
        case Relation(), Labelled() if as_set(gold) is None or as_set(answer) is None:
            return values.equivalent(gold, _as_relation(answer))
        case Labelled(_, value), _:
            return same(value, answer, values)
        case Relation(), Relation():
            return _relations(gold, answer, values)
        case _, Sequence(items, "", "or") if not isinstance(gold, (Sequence, RealSet, Relation)):
            # Two ways to write one value: 15 3/4, or 63/4.
            return conjunction(same(gold, item, values) for item in items)
        case Sequence(), Sequence():
            return _sequences(gold, answer, values)
        case Matrix(rows), Scalar(text) if r"\begin" in text:
            return values.equal_matrix(rows, text)
        case Matrix(rows), Matrix(other):
            if len(rows) != len(other) or len(rows[0]) != len(other[0]):
                return False
            return conjunction(
                values.equal(a, b) for row, wanted in zip(other, rows) for b, a in zip(row, wanted)
            )
        case (Matrix(), Sequence(items, "(" | "[" | "")) | (Sequence(items, "(" | "["), Matrix()):
            return _vector(gold, answer, items, values)
        case Numeral(), Numeral():
            return gold == answer
        case Ratio(parts), Ratio(other):
            return _ratios(parts, other, values)
        case Ratio((over, under)), Scalar(text):
            return values.equal(rf"\frac{{{over}}}{{{under}}}", text)
        case Scalar(text), Ratio((over, under)):
            return values.equal(text, rf"\frac{{{over}}}{{{under}}}")
        case (Words(text), Scalar(infinite)) | (Scalar(infinite), Words(text)) if compact(
            infinite
        ) in (r"\infty", r"+\infty"):
            return words.spell_words(text) in words.INFINITE
        case Words(), Words():
            return words.spell_words(gold.text) == words.spell_words(answer.text)
        case Scalar(), Scalar():
            return _scalars(gold, answer, values)
        case _, Labelled(_, value):
            return same(gold, value, values)
        case Scalar(), Relation(sides, operators) if set(operators) == {"="}:
            return same(gold, Scalar(sides[-1]), values) if names.is_closed(sides[0]) else False
        case Relation((_, _), ("=",)), Scalar(text):
            return _equation_solved(gold, text, values)
    return _sets(gold, answer, values)


def conjunction(results: Iterable[bool | None]) -> bool | None:
    """False when any is False, else None when any is open, else True."""
    undecided = False
    for result in results:
        if result is False:
            return False
        undecided |= result is None
    return None if undecided else True


def _single(form: Form) -> Form:
    while isinstance(form, Sequence) and len(form.items) == 1:
        form = form.items[0]
    return form


def _labelled(gold: Labelled, answer: Labelled, values: Comparator) -> bool | None:
    if compact(gold.label) == compact(answer.label):
        return same(gold.value, answer.value, values)
    ours, theirs = names.call(gold.label), names.call(answer.label)
    if ours and theirs and len(ours[1]) == len(theirs[1]):
        renamed = answer.value
        for wanted, given in zip(ours[1], theirs[1]):
            if given != wanted and len(given) == len(wanted) == 1:
                renamed = _rename(renamed, given, wanted)
        return same(gold.value, renamed, values)
    if ours or theirs or not (names.is_variable(gold.label) and names.is_variable(answer.label)):
        return same(gold.value, answer.value, values)
    if not isinstance(gold.value, Scalar) or not isinstance(answer.value, Scalar):
        return False
    return values.equivalent(_as_relation(gold), _as_relation(answer))


def _rename(form: Form, old: str, new: str) -> Form:
    match form:
        case Scalar(text, unit):
            return Scalar(names.rename(text, old, new), unit)
        case Sequence(items, opening, joint):
            return Sequence(tuple(_rename(item, old, new) for item in items), opening, joint)
    return form


def _as_relation(form: Labelled) -> Relation:
    value = form.value.text if isinstance(form.value, Scalar) else ""
    return Relation((form.label, value), ("=",))


def _sequences(gold: Sequence, answer: Sequence, values: Comparator) -> bool | None:
    solutions = [all(isinstance(item, Relation) for item in form.items) for form in (gold, answer)]
    if solutions[0] != solutions[1]:
        return _sets(gold, answer, values)
    kinds = {gold.opening, answer.opening}
    if r"\{" in kinds and ("(" in kinds or "[" in kinds):
        return False
    if kinds == {"(", "["} and len(gold.items) == 2:
        return False
    if len(gold.items) < len(answer.items) and not {"(", "["} & kinds:
        answer = dataclasses.replace(answer, items=tuple(dict.fromkeys(answer.items)))
    if len(gold.items) != len(answer.items):
        return _sets(gold, answer, values) if gold.joint == answer.joint == "or" else False
    if "(" in kinds or "[" in kinds:
        return conjunction(
            same(ours, theirs, values) for ours, theirs in zip(gold.items, answer.items)
        )
    labels, others = _labels(gold), _labels(answer)
    if labels and others and labels.keys() == others.keys():
        return conjunction(same(labels[label], others[label], values) for label in labels)
    if labels and not _numbered(labels):
        return conjunction(
            same(_bare(ours), _bare(theirs), values)
            for ours, theirs in zip(gold.items, answer.items)
        )
    return matching(
        [[same(ours, theirs, values) for theirs in answer.items] for ours in gold.items]
    )


def _labels(form: Sequence) -> dict[str, Form]:
    """Values by label where every item has a label of its own, else nothing."""
    if not all(isinstance(item, Labelled) for item in form.items):
        return {}
    found = {compact(item.label): item.value for item in form.items}
    return found if len(found) == len(form.items) else {}


def _numbered(labels: Iterable[str]) -> bool:
    """Whether labels are x_1, x_2, ...: the values of one unknown, in no order."""
    return len({label.split("_")[0] for label in labels}) == 1


def _bare(form: Form) -> Form:
    return form.value if isinstance(form, Labelled) else form


def _vector(gold: Form, answer: Form, items: tuple[Form, ...], values: Comparator) -> bool | None:
    matrix = gold if isinstance(gold, Matrix) else answer
    rows = matrix.rows
    entries = [row[0] for row in rows] if len(rows[0]) == 1 else list(rows[0])
    if min(len(rows), len(rows[0])) != 1 or len(entries) != len(items):
        return False
    if not all(isinstance(item, Scalar) for item in items):
        return False
    texts = [item.text for item in items]
    pairs = zip(entries, texts) if matrix is gold else zip(texts, entries)
    return conjunction(values.equal(ours, theirs) for ours, theirs in pairs)


def _ratios(gold: tuple[str, ...], answer: tuple[str, ...], values: Comparator) -> bool | None:
    if len(gold) != len(answer):
        return False
    return conjunction(
        values.equal(rf"({gold[0]})\cdot({theirs})", rf"({answer[0]})\cdot({ours})")
        if not (compact(ours) == compact(theirs) and compact(gold[0]) == compact(answer[0]))
        else True
        for ours, theirs in zip(gold[1:], answer[1:])
    )


def _scalars(gold: Scalar, answer: Scalar, values: Comparator) -> bool | None:
    units = (gold.unit, answer.unit)
    if gold.unit != answer.unit:
        if "degree" in units and _in_radians(gold, answer):
            return values.equal(_radians(gold), _radians(answer))
        if all(map(words.known_unit, units)):
            return False
    return values.equal(gold.text, answer.text)


def _in_radians(gold: Scalar, answer: Scalar) -> bool:
    other = answer if gold.unit == "degree" else gold
    return r"\pi" in other.text and other.unit in ("", "radian")


def _radians(form: Scalar) -> str:
    return rf"\frac{{({form.text})\cdot \pi}}{{180}}" if form.unit == "degree" else form.text


def _relations(gold: Relation, answer: Relation, values: Comparator) -> bool | None:
    ours, theirs = as_set(gold), as_set(answer)
    if ours is not None and theirs is not None:
        if compact(bounded_name(gold)) == compact(bounded_name(answer)):
            return _real_sets(ours, theirs, values)
        return False
    sides, operators = _ascending(gold)
    others, other_operators = _ascending(answer)
    if operators == other_operators and len(sides) == len(others):
        equal = conjunction(values.equal(a, b) for a, b in zip(sides, others))
        if equal or len(sides) != 2:
            return equal
    if len(gold.sides) == len(answer.sides) == 2:
        return values.equivalent(gold, answer)
    return False


def _ascending(form: Relation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    flipped = {">": "<", r"\ge": r"\le"}
    if form.operators and set(form.operators) <= flipped.keys():
        return form.sides[::-1], tuple(flipped[operator] for operator in form.operators[::-1])
    return form.sides, form.operators


def _equation_solved(gold: Relation, text: str, values: Comparator) -> bool | None:
    """Whether an expression is the right side of the gold equation solved for its other symbol."""
    symbols = names.symbols(" ".join(gold.sides)) - names.symbols(text)
    if len(symbols) != 1 or names.is_closed(text):
        return False
    return values.equivalent(gold, Relation((symbols.pop(), text), ("=",)))


def _sets(gold: Form, answer: Form, values: Comparator) -> bool | None:
    ours, theirs = as_set(gold), as_set(answer)
    if ours is None or theirs is None:
        return False
    return _real_sets(ours, theirs, values)


def _real_sets(gold: RealSet, answer: RealSet, values: Comparator) -> bool | None:
    if gold == answer:
        return True
    gold, answer = _without_removed(gold, values), _without_removed(answer, values)
    if gold is None or answer is None:
        return None
    if len(gold.intervals) != len(answer.intervals) or len(gold.points) != len(answer.points):
        return False
    intervals = matching(
        [[_intervals(a, b, values) for b in answer.intervals] for a in gold.intervals]
    )
    points = matching([[values.equal(a, b) for b in answer.points] for a in gold.points])
    return conjunction((intervals, points))


def _intervals(gold: Interval, answer: Interval, values: Comparator) -> bool | None:
    if (gold.low_closed, gold.high_closed) != (answer.low_closed, answer.high_closed):
        return False
    return conjunction((values.equal(gold.low, answer.low), values.equal(gold.high, answer.high)))


def _without_removed(form: RealSet, values: Comparator) -> RealSet | None:
    """The set with its removed points cut out of its intervals; None when left open."""
    intervals = list(form.intervals)
    for point in form.removed:
        index = values.has_member(RealSet(tuple(intervals)), point)
        if index is None:
            return None
        if index < 0:
            continue
        cut = intervals[index]
        intervals[index : index + 1] = [
            Interval(cut.low, point, cut.low_closed, False),
            Interval(point, cut.high, False, cut.high_closed),
        ]
    return RealSet(tuple(intervals), form.points)


def matching(table: list[list[bool | None]]) -> bool | None:
    """Whether rows and columns pair off: True by true entries, None if open ones are needed.

    Args:
      table: one row of results for each gold item; as many columns as rows.
    """
    if _pairs_off([[entry is True for entry in row] for row in table]):
        return True
    return None if _pairs_off([[entry is not False for entry in row] for row in table]) else False


def _pairs_off(table: list[list[bool]]) -> bool:
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, allowed in enumerate(table[row]):
            if allowed and column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(table)))
