"""Records of a file, each with its place, whatever layout its authors chose."""

import dataclasses
import gzip
import json
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Malformed:
    """A record that cannot be read.

    Attributes:
      place: where in its file, such as "line 7".
      fault: what is wrong with it.
    """

    place: str
    fault: str


def parse_records(path: pathlib.Path, parse: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    """Every record of a file, parsed, in the order of the file.

    JSON lines (also gzipped), a JSON list, a JSON object of columns
    ``{"field": {"0": value, ...}, ...}`` as table libraries write it, or Parquet.

    Raises:
      ValueError: another kind of file, or naming file, line or entry and fault of a broken record.
    """
    parsed = []
    for record in scan_records(path, parse):
        if isinstance(record, Malformed):
            raise ValueError(f"{path}, {record.place}: {record.fault}")
        parsed.append(record)
    if not parsed:
        raise ValueError(f"{path} holds no records")
    return tuple(parsed)


def scan_records(
    path: pathlib.Path, parse: Callable[[Mapping[str, Any]], T]
) -> Iterator[T | Malformed]:
    """Like ``parse_records``, but what cannot be parsed is said in its place, and the rest read.

    Raises:
      ValueError: the file as a whole cannot be read.
    """
    for place, record in _records(path):
        try:
            if isinstance(record, bytes):
                record = json.loads(record)
            if not isinstance(record, dict):
                raise ValueError(f"expected a JSON object, got {type(record).__name__}")
            yield parse(record)
        except ValueError as error:
            yield Malformed(place, str(error))


def text(record: Mapping[str, Any], *names: str) -> str:
    """The first of the fields that the record has, stripped; ValueError unless it is a text."""
    value = _value(record, names)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a text {_spell(names)}, got {value!r}")
    return value.strip()


def raw_text(record: Mapping[str, Any], name: str) -> str:
    """A text as it stands, blanks at its ends included; ValueError unless the field is one."""
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"expected a text {name!r}, got {value!r}")
    return value


def numeral(record: Mapping[str, Any], *names: str) -> str:
    """A number, or a text that states one, as the shortest exact text: 27.0 -> "27".

    Raises:
      ValueError: the field is missing or is neither.
    """
    value = _value(record, names)
    if isinstance(value, str) and value.strip():
        return value.strip()
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not math.isfinite(value):
        raise ValueError(f"expected a number {_spell(names)}, got {value!r}")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def gold(record: Mapping[str, Any], *names: str) -> str:
    """A gold answer, text or number. Published files leave a few null or empty: "" then.

    Raises:
      ValueError: the record has none of the fields, or something else in it.
    """
    empty = any(name in record and record[name] in (None, "") for name in names)
    return "" if empty and _value(record, names) in (None, "") else numeral(record, *names)


def texts(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts; ValueError unless the field is one."""
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"expected a list of texts {name!r}, got {value!r}")
    return tuple(value)


def _value(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _spell(names: tuple[str, ...]) -> str:
    return " or ".join(map(repr, names))


def _records(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """(place, record) of each; a line of a file is still bytes."""
    if not path.name.endswith(SUFFIXES):
        raise ValueError(
            f"{path}: files of {', '.join(SUFFIXES)} are read; convert other formats to JSON lines"
        )
    if path.suffix == ".json":
        return _entries(path)
    return _rows(path) if path.suffix == ".parquet" else _lines(path)


def _lines(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    opened = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield f"line {number}", line
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}, line {max(number, 1)}: {error}") from error


def _rows(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError(
            f"{path}: Parquet needs pyarrow, of the extra data: pip install 'reasoning-jax[data]'"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            records = (row for batch in file.iter_batches() for row in batch.to_pylist())
            for number, record in enumerate(records, start=1):
                yield f"row {number}", record
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path}: {error}") from error


def _entries(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if isinstance(content, dict):
        content = _rows_of_columns(path, content)
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list of records, got {type(content).__name__}")
    for number, record in enumerate(content, start=1):
        yield f"entry {number}", record


def _rows_of_columns(path: pathlib.Path, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = next((list(c) for c in columns.values() if isinstance(c, dict)), [])
    for name, column in columns.items():
        if not isinstance(column, dict) or list(column) != keys:
            raise ValueError(f"{path}: column {name!r} does not have the rows of the others")
    return [{name: column[key] for name, column in columns.items()} for key in keys]
