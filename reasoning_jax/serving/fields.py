"""Fields of a JSON body, read with their type and bounds; absent and null are the default."""

import math
from collections.abc import Mapping
from typing import Any

from reasoning_jax.serving.errors import RequestError


def integer(body: Mapping[str, Any], name: str, default: Any, low: int, high: int) -> Any:
    """An integer in [low, high]; RequestError naming the field otherwise."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _refused(name, value, f"an integer in [{low}, {high}]")
    return value


def number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A finite number in [low, high]; RequestError naming the field otherwise."""
    value = body.get(name)
    if value is None:
        return default
    # Inclusive comparison refuses nan, but not before an integer too large for a float raises.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or not math.isfinite(value):
        raise _refused(name, value, f"a number in [{low:g}, {high:g}]")
    return float(value)


def flag(body: Mapping[str, Any], name: str) -> bool:
    """true or false, which is the default; RequestError naming the field otherwise."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _refused(name, value, "true or false")
    return bool(value)


def strings(
    body: Mapping[str, Any], name: str, default: tuple[str, ...], most: int
) -> tuple[str, ...]:
    """A string, or a list of at most so many; none may be empty."""
    value = body.get(name)
    if value is None:
        return default
    listed = [value] if isinstance(value, str) else value
    if (
        not isinstance(listed, list)
        or len(listed) > most
        or not all(isinstance(item, str) and item for item in listed)
    ):
        raise _refused(name, value, f"a string or a list of at most {most}, none of them empty")
    return tuple(listed)


def mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object, by default empty; RequestError naming the field otherwise."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refused(name, value, "an object")
    return value


def _refused(name: str, value: Any, rule: str) -> RequestError:
    shown = repr(value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    return RequestError(f"{name} is {shown}; it must be {rule}", param=name)
