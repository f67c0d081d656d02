"""Exact rational numbers as answers write them: mixed, repeating, in words, in a base."""

import re
from fractions import Fraction

from reasoning_jax.verify.equality import Number, parse_number

_MIXED = re.compile(r"([-+]?)\s*([0-9]+)\s*\\frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}")
_MIXED_SLASH = re.compile(r"([-+]?)([0-9]+)[ -]+([0-9]+)\s*/\s*([0-9]+)")
_REPEATING = re.compile(r"([-+]?)([0-9]*)\.([0-9]*)\\(?:overline|dot|bar)\s*\{([0-9]+)\}")
# 0.1666... with its period written three times, or twice when it has more digits than one.
_GOING_ON = re.compile(
    r"([-+]?)([0-9]*)\.([0-9]{0,8}?)(?:([0-9])\4{2,}|([0-9]{2,8}?)\5+)\s*\\ldots"
)
_SCIENTIFIC = re.compile(
    r"([-+]?[0-9]+(?:\.[0-9]+)?)\s*\\cdot\s*10\s*\^\s*\{?\s*([-+]?[0-9]{1,3})\s*\}?"
)
_POWER = re.compile(r"([-+]?)([0-9]{1,4})\s*\^\s*\{?\s*([0-9]{1,3})\s*\}?")
_DECIMAL_COMMA = re.compile(r"([-+]?)([0-9]+),([0-9]{2,})")
_DECIMAL = re.compile(r"[-+]?\s*[0-9,]*\.([0-9]+)\s*%?")
_BASE = re.compile(r"([0-9A-Fa-f]+)\s*_\s*\{?\s*(?:\\text\{\s*)?([0-9]{1,2}|two|eight|ten|sixteen)")
_BASE_END = re.compile(r"[\s})]*")
_BASES = {"two": 2, "eight": 8, "ten": 10, "sixteen": 16}
_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_UNITS)}
_WORDS |= {word: 10 * value for value, word in enumerate(_TENS, start=2)}
_WORD_NUMERAL = re.compile(r"[a-z]+(?:[ -][a-z]+)?")


def read_number(text: str) -> Number | None:
    """The exact number that a spelled text states, or None; nothing is evaluated."""
    number = parse_number(text)
    if number is not None or len(text) > 200:
        return number
    body = text.strip()
    percent = body.endswith("%")
    if percent:
        body = body[:-1].rstrip()
    value = _value(body)
    return None if value is None else Number(value, percent)


def read_words(text: str) -> int | None:
    """The integer that English words from zero to ninety-nine name, or None."""
    if not _WORD_NUMERAL.fullmatch(text := text.lower().strip()):
        return None
    values = [_WORDS.get(word) for word in re.split("[ -]", text)]
    if None in values:
        return None
    if len(values) == 1:
        return values[0]
    tens, units = values
    return tens + units if tens >= 20 and 0 < units < 10 else None


def decimal_comma(text: str) -> Fraction | None:
    """The number when a comma is its decimal point (two decimals or more), or None."""
    match = _DECIMAL_COMMA.fullmatch(text.strip())
    if match is None or len(text) > 200:
        return None
    value = Fraction(f"{match[2]}.{match[3]}")
    return -value if match[1] == "-" else value


def decimals(text: str) -> int:
    """How many digits a decimal states after its point; 0 for anything else."""
    match = _DECIMAL.fullmatch(text.strip())
    return len(match[1]) if match else 0


def read_base(text: str) -> tuple[str, int] | None:
    """(digits, base) of a numeral like ``204_5`` or ``(1011)_{two}``, or None."""
    body = text.replace("(", "").strip()
    match = _BASE.match(body.replace(")_", "_"))
    if match is None or not _BASE_END.fullmatch(body.replace(")_", "_"), match.end()):
        return None
    base = _BASES.get(match[2]) or int(match[2])
    digits = match[1].upper().lstrip("0") or "0"
    valid = 2 <= base <= 16 and all(int(digit, 16) < base for digit in digits)
    return (digits, base) if valid else None


def _value(text: str) -> Fraction | None:
    if match := _MIXED.fullmatch(text) or _MIXED_SLASH.fullmatch(text):
        sign, whole, over, under = match.groups()
        if not int(under):
            return None
        value = int(whole) + Fraction(int(over), int(under))
    elif match := _REPEATING.fullmatch(text):
        sign, whole, fixed, period = match.groups()
        tail = Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(fixed))
        value = Fraction(f"{whole or 0}.{fixed or 0}") + tail
    elif match := _GOING_ON.fullmatch(text):
        sign, whole, fixed, digit, digits = match.groups()
        period = digit or digits
        tail = Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(fixed))
        value = Fraction(f"{whole or 0}.{fixed or 0}") + tail
    elif match := _SCIENTIFIC.fullmatch(text):
        return Fraction(match[1]) * Fraction(10) ** int(match[2])
    elif match := _POWER.fullmatch(text):
        sign, base, exponent = match.groups()
        value = Fraction(int(base) ** int(exponent))
    else:
        return None
    return -value if sign == "-" else value
