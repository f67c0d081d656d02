"""The forms that an answer takes. Scalars are kept as text: nothing is evaluated here."""

import dataclasses
from typing import Union


@dataclasses.dataclass(frozen=True)
class Scalar:
    """A number or an expression, with the words of its unit (``""`` when none)."""

    text: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Words:
    """Text that is no mathematics."""

    text: str


@dataclasses.dataclass(frozen=True)
class Labelled:
    """``x = 3``, ``f(x) = 2x``, ``Paolo: 18``."""

    label: str
    value: "Form"


@dataclasses.dataclass(frozen=True)
class Sequence:
    r"""Items between brackets; ``opening`` is ``(``, ``[``, ``\\{`` or ``""`` for a bare list.

    Attributes:
      joint: the connective of a bare list, ``","``, ``"and"`` or ``"or"``.
    """

    items: tuple["Form", ...]
    opening: str = ""
    joint: str = ","


@dataclasses.dataclass(frozen=True)
class Interval:
    """A real interval; ends are expressions, infinite ones included."""

    low: str
    high: str
    low_closed: bool
    high_closed: bool


@dataclasses.dataclass(frozen=True)
class RealSet:
    """A union of intervals and points, without the points of ``removed``."""

    intervals: tuple[Interval, ...]
    points: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Relation:
    r"""``sides[0] operators[0] sides[1] ...`` with operators of ``= < > \\le \\ge \\ne``."""

    sides: tuple[str, ...]
    operators: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Rows of expressions, all of one length."""

    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Ratio:
    """``a : b`` or ``a : b : c``."""

    parts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Numeral:
    """Digits in a stated base: ``204_5``."""

    digits: str
    base: int


Form = Union[  # noqa: UP007 - the quoted names above resolve at run time
    Scalar, Words, Labelled, Sequence, Interval, RealSet, Relation, Matrix, Ratio, Numeral
]
