r"""Whether two bare answers are equal: the string, then the exact rational number, else not.

The gold answer fixes the type; an answer that does not read as that type is wrong, a gold that
does not read at all cannot be judged. Nothing is evaluated: numerals are matched, and literals
too long or exponents too large are refused before any arithmetic.
"""

import dataclasses
import re
from fractions import Fraction

from reasoning_jax.types import Verdict

MAX_LITERAL = 1_000  # characters; longer numerals are compared as strings only

_DECIMAL = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?"
# The sign and the currency mark come in either order: -$5, $-5.
_AFFIXES = re.compile(
    r"(?P<sign>[-+]?\s?(?:\\?\$)?|\\?\$\s?[-+])\s?(?P<magnitude>[^-+$%].*?)\s?(?P<percent>\\?%)?"
)
_SCIENTIFIC = re.compile(rf"({_DECIMAL})(?:[eE]([-+]?[0-9]{{1,3}}))?")
_SLASH = re.compile(rf"({_DECIMAL})\s*/\s*({_DECIMAL})")
_FRAC = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|([0-9])([0-9]))")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_SPACING = re.compile(r"\\[!,;: ]|\{,\}|\s+")


@dataclasses.dataclass(frozen=True)
class Number:
    """An exact rational and whether a percent sign follows it."""

    value: Fraction
    percent: bool


def normalise(text: str) -> str:
    r"""One spelling of an answer: no math delimiters, no final period, single blanks."""
    text = _SPACING.sub(lambda s: "," if s[0] == "{,}" else " " if s[0].isspace() else "", text)
    text = text.strip()
    for left, right in _DELIMITERS:
        if len(text) > len(left + right) and text.startswith(left) and text.endswith(right):
            text = text[len(left) : -len(right)].strip()
    return text.removesuffix(".").rstrip() if len(text) > 1 else text


def parse_number(text: str) -> Number | None:
    """Reads integers, decimals, fractions, thousands commas, ``$`` and ``%``; None otherwise."""
    text = normalise(text)
    if len(text) > MAX_LITERAL:
        return None
    parts = _AFFIXES.fullmatch(text)
    if parts is None:
        return None
    value = _unsigned(parts["magnitude"])
    if value is None:
        return None
    return Number(-value if "-" in parts["sign"] else value, parts["percent"] is not None)


def equal(a: Number, b: Number) -> bool:
    """Exact equality. A percent sign on one side only reads as a unit or as hundredths."""
    if a.percent == b.percent:
        return a.value == b.value
    percent, plain = (a, b) if a.percent else (b, a)
    return plain.value in (percent.value, percent.value / 100)


def compare(answer: str | None, gold: str) -> Verdict:
    """Judges a bare answer against a bare gold answer.

    Reasons: "exact" (same string), "rational" (same number), "different", "no_answer" (none found),
    "unparsed_answer"; and, with ``correct`` None, "empty_gold" and "unparsed_gold".
    """
    gold_text, text = normalise(gold), normalise(answer or "")
    if not gold_text:
        return Verdict(None, "empty_gold", text or None)
    if not text:
        return Verdict(False, "no_answer")
    number, gold_number = parse_number(text), parse_number(gold_text)
    if text == gold_text:
        return Verdict(True, "exact", text if number is None else spell(number))
    if gold_number is None:
        return Verdict(None, "unparsed_gold", text)
    if number is None:
        return Verdict(False, "unparsed_answer", text)
    same = equal(number, gold_number)
    return Verdict(same, "rational" if same else "different", spell(number))


def spell(number: Number) -> str:
    """One spelling of every equal number, so that votes for it are counted together."""
    return f"{number.value}%" if number.percent else str(number.value)


def _take_sign(text: str) -> tuple[str, str]:
    return (text[0], text[1:].lstrip()) if text[:1] in ("-", "+") else ("", text)


def _unsigned(text: str) -> Fraction | None:
    if match := _SCIENTIFIC.fullmatch(text):
        return _decimal(match[1], int(match[2] or 0))
    if match := _SLASH.fullmatch(text):
        return _quotient(_decimal(match[1]), _decimal(match[2]))
    if match := _FRAC.fullmatch(text):
        over, under = (match[1], match[2]) if match[3] is None else (match[3], match[4])
        return _quotient(_signed(over), _signed(under))
    return None


def _signed(text: str) -> Fraction | None:
    sign, text = _take_sign(text.strip())
    match = re.fullmatch(_DECIMAL, text)
    value = _decimal(text) if match else None
    return -value if value is not None and sign == "-" else value


def _decimal(text: str, exponent: int = 0) -> Fraction | None:
    if not any(c.isdigit() for c in text):
        return None
    return Fraction(text.replace(",", "")) * Fraction(10) ** exponent


def _quotient(over: Fraction | None, under: Fraction | None) -> Fraction | None:
    return None if over is None or not under else over / under
