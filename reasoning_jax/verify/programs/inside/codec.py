"""Values as JSON with exact types, for data that crosses the border of a sandbox.

None, booleans, texts, finite floats, small integers and lists are themselves; everything else is
an object of one key that names the type. Reading builds plain data only and runs nothing.
"""

import json
import math
from decimal import Decimal
from fractions import Fraction

SMALL = 1 << 62  # larger integers are written in hexadecimal, which is linear in their length


class Unsupported(TypeError):
    """A value that cannot cross the border."""


def _refuse(value):
    raise Unsupported(f"{type(value).__name__} is not plain data")


def pack(value, other=_refuse):
    """Value -> JSON-able. Subclasses of plain types are cut down to what those hold.

    Args:
      value: what to write.
      other: writes a value that is not plain data as a one-key object, or raises.

    Raises:
      Unsupported: by default, for a value that is not plain data.
      RecursionError: for one nested too deeply, or containing itself.
    """
    kind = type(value)  # isinstance believes a __class__ that lies
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        value = int.__pos__(value)
        return value if -SMALL < value < SMALL else {"int": hex(value)}
    if issubclass(kind, float):
        value = float.__pos__(value)
        return value if math.isfinite(value) else {"float": repr(value)}
    if issubclass(kind, list):
        return [pack(item, other) for item in list.__iter__(value)]
    for name, base in _SEQUENCES.items():
        if issubclass(kind, base):
            return {name: [pack(item, other) for item in base.__iter__(value)]}
    if issubclass(kind, dict):
        return {"dict": [[pack(k, other), pack(v, other)] for k, v in dict.items(value)]}
    if issubclass(kind, (bytes, bytearray)):
        name = "bytes" if issubclass(kind, bytes) else "bytearray"
        return {name: bytes(memoryview(value)).hex()}
    if kind is complex:
        return {"complex": [pack(value.real), pack(value.imag)]}
    if kind is Fraction:
        return {"fraction": [pack(value.numerator), pack(value.denominator)]}
    if kind is Decimal:
        return {"decimal": str(value)}
    if kind.__module__ == "numpy" and callable(getattr(value, "item", None)) and value.shape == ():
        return pack(value.item(), other)
    return other(value)


def unpack(data, other=None):
    """The inverse of `pack`.

    Args:
      data: what `json.loads` made of it.
      other: reads objects of further keys: ``(key, content) -> value``; None refuses them.

    Raises:
      ValueError: for anything that `pack` does not write.
    """
    if data is None or isinstance(data, (bool, str, int, float)):
        return data
    if isinstance(data, list):
        return [unpack(item, other) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError("not a packed value")
    ((name, content),) = data.items()
    try:
        if name in _SEQUENCES:
            return _SEQUENCES[name](unpack(item, other) for item in content)
        if name == "dict":
            return {unpack(k, other): unpack(v, other) for k, v in content}
        if name in _READERS:
            return _READERS[name](content)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"not a packed {name}") from error
    if other is None:
        raise ValueError(f"not a packed value: {name[:40]!r}")
    return other(name, content)


def dumps(value, other=_refuse):
    """`pack` as text."""
    return json.dumps(pack(value, other), allow_nan=False)


def loads(text, other=None):
    """`unpack` of text; ValueError for any other text."""
    try:
        return unpack(json.loads(text), other)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _complex(content):
    real, imag = map(unpack, content)
    return complex(real, imag)


def _fraction(content):
    over, under = map(unpack, content)
    return Fraction(over, under)


_SEQUENCES = {"tuple": tuple, "set": set, "frozenset": frozenset}
_READERS = {
    "int": lambda content: int(content, 16),
    "float": lambda content: {"inf": math.inf, "-inf": -math.inf}.get(content, math.nan),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": _complex,
    "fraction": _fraction,
    "decimal": Decimal,
}
