"""The regression gate: ratios of one run against stored ones, never times."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

ALLOWED_FALL = 0.1


@dataclasses.dataclass(frozen=True)
class Fall:
    """A ratio that fell: its key, what is stored, what was measured."""

    key: str
    stored: float
    measured: float

    def __str__(self) -> str:
        return f"{self.key}: {self.measured:.2f} times, {self.stored:.2f} stored"


def ratios(suite: str, shape: str, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """``suite/shape/case/who`` to ``times`` of all rows that have one."""
    return {
        f"{suite}/{shape}/{row['case']}/{row['who']}": row["times"]
        for row in rows
        if row.get("times") is not None
    }


def read(path: str | os.PathLike) -> dict[str, float]:
    """Stored ratios.

    Raises:
      ValueError: the file does not hold a mapping of names to numbers.
    """
    stored = json.loads(pathlib.Path(path).read_text())
    if not isinstance(stored, dict) or not all(
        isinstance(value, int | float) for value in stored.values()
    ):
        raise ValueError(f"{path} is no JSON object of ratios by name; write one with --save")
    return stored


def falls(measured: dict[str, float], stored: dict[str, float]) -> list[Fall]:
    """Ratios more than a tenth below what is stored; those on one side alone do not count."""
    return [
        Fall(key, stored[key], value)
        for key, value in measured.items()
        if key in stored and value < (1 - ALLOWED_FALL) * stored[key]
    ]


def save(path: str | os.PathLike, measured: dict[str, float]) -> None:
    """Writes ratios into a file, over those of the same names."""
    path = pathlib.Path(path)
    stored = read(path) if path.exists() else {}
    stored |= {key: round(value, 3) for key, value in measured.items()}
    path.write_text(json.dumps(dict(sorted(stored.items())), indent=2) + "\n")
