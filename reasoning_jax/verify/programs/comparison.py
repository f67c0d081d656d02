"""When an output or a value counts as the expected one. Candidates' data is only ever read here.

Outputs are texts. Values are compared in the spelling of `inside.codec`, so that nothing a program
returns is rebuilt in this process, and types are exact: 1, 1.0 and True are three values.
"""

import decimal
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_DECIMAL = 400  # characters of a token that is read as a number
TOLERANCE = 1e-6  # relative above 1, absolute below


def check_rule(rule: str, rules: Mapping[str, Callable]) -> None:
    """Raises ValueError for a rule that is not there, naming those that are."""
    if rule not in rules:
        raise ValueError(f"unknown comparison rule {rule!r}: choose one of {', '.join(rules)}")


def same_text(output: str, expected: str) -> bool:
    """Equal character by character, but for blanks and newlines at the very end."""
    return output.rstrip() == expected.rstrip()


def same_lines(output: str, expected: str) -> bool:
    """Equal line by line: blanks around lines and empty lines around the text do not count.

    A line also agrees when its tokens are numbers of exactly equal value: ``1.50`` and ``1.5``.
    """
    return _agree(output, expected, _same_number)


def close_lines(output: str, expected: str) -> bool:
    """As `same_lines`, but expected numbers with a point or exponent need only be within 1e-6."""
    return _agree(output, expected, _close_number)


OUTPUT_RULES: Mapping[str, Callable[[str, str], bool]] = {
    "lines": same_lines,
    "close": close_lines,
    "text": same_text,
}


def exact_value(value: Any, expected: Any) -> bool:
    """Equal in value and type, nested; sets and dictionaries in any order."""
    return _canonical(value) == _canonical(expected)


def json_value(value: Any, expected: Any) -> bool:
    """As `exact_value`, with tuples read as lists, as benchmarks stored in JSON need it."""
    return _canonical(_tuples_as_lists(value)) == _canonical(_tuples_as_lists(expected))


def close_value(value: Any, expected: Any) -> bool:
    """As `json_value`, but a float is expected only within 1e-6; an int may stand for it."""
    return _close(_tuples_as_lists(value), _tuples_as_lists(expected))


VALUE_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "exact": exact_value,
    "json": json_value,
    "close": close_value,
}


def _agree(output: str, expected: str, same: Callable[[str, str], bool]) -> bool:
    lines, wanted = output.strip().split("\n"), expected.strip().split("\n")
    return len(lines) == len(wanted) and all(
        _same_line(a.strip(), b.strip(), same) for a, b in zip(lines, wanted)
    )


def _same_line(line: str, wanted: str, same: Callable[[str, str], bool]) -> bool:
    if line == wanted:
        return True
    tokens, expected = line.split(), wanted.split()
    return len(tokens) == len(expected) and all(map(same, tokens, expected))


def _same_number(token: str, expected: str) -> bool:
    if token == expected:
        return True
    a, b = _decimal(token), _decimal(expected)
    return a is not None and b is not None and a == b


def _close_number(token: str, expected: str) -> bool:
    if _same_number(token, expected):
        return True
    a, b = _decimal(token), _decimal(expected)
    if a is None or b is None or not any(mark in expected for mark in ".eE"):
        return False
    return _within(float(a), float(b))


def _decimal(token: str) -> decimal.Decimal | None:
    # Equality of decimals aligns their exponents: 1e999999999 would cost gigabytes.
    if len(token) > MAX_DECIMAL or not token.isascii() or "_" in token:
        return None
    try:
        number = decimal.Decimal(token)
    except decimal.InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= MAX_DECIMAL else None


def _within(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE * max(1.0, abs(b))


def _canonical(value: Any) -> str:
    """One text for each value: members of sets and dictionaries in the order of their texts."""
    if isinstance(value, list):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, dict):
        ((tag, content),) = value.items()
        if tag in ("set", "frozenset", "dict"):
            return f"{tag}({','.join(sorted(map(_canonical, content)))})"
        return f"{tag}({_canonical(content)})"
    return json.dumps(value)


def _tuples_as_lists(value: Any) -> Any:
    if isinstance(value, list):
        return [_tuples_as_lists(item) for item in value]
    if isinstance(value, dict):
        ((tag, content),) = value.items()
        content = _tuples_as_lists(content)
        return content if tag == "tuple" else {tag: content}
    return value


def _close(value: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        return type(value) in (int, float) and math.isfinite(value) and _within(value, expected)
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(_close, value, expected))
        )
    return _canonical(value) == _canonical(expected)
