"""What happens to a file some of whose records cannot be read."""

import logging
import os
from collections.abc import Iterable
from typing import TypeVar

from reasoning_jax.tasks.records import Malformed

STOP, SKIP = "stop", "skip"
_SHOWN = 20  # faults spelled out in a message; all are counted

T = TypeVar("T")

_LOG = logging.getLogger(__name__)


def check_policy(on_malformed: str) -> None:
    """ValueError unless it names what to do with records that cannot be read."""
    if on_malformed not in (STOP, SKIP):
        raise ValueError(f"on_malformed is {on_malformed!r}; choose {STOP} or {SKIP}")


def whole_records(
    path: str | os.PathLike, scanned: Iterable[T | Malformed], on_malformed: str
) -> tuple[T, ...]:
    """The records that could be read; the others are named by their place, and counted.

    Args:
      on_malformed: "stop" raises when there are any; "skip" logs a warning and leaves them out.

    Raises:
      ValueError: malformed records where they stop, or nothing that could be read.
    """
    check_policy(on_malformed)
    read: list[T] = []
    malformed: list[Malformed] = []
    for record in scanned:
        (malformed if isinstance(record, Malformed) else read).append(record)
    total = len(read) + len(malformed)
    if malformed and (on_malformed == STOP or not read):
        first = malformed[0]
        raise ValueError(
            f"{path}, {first.place}: {first.fault} ({len(malformed)} of {total} records are "
            f"malformed: {_places(malformed)}; mend them, or leave them out with "
            f"on_malformed={SKIP!r})"
        )
    if not read:
        raise ValueError(f"{path} holds no records")
    if malformed:
        faults = "; ".join(f"{m.place}: {m.fault}" for m in malformed[:_SHOWN])
        more = f"; and {len(malformed) - _SHOWN} more" if len(malformed) > _SHOWN else ""
        _LOG.warning(
            "%s: %d of %d records are malformed and left out: %s%s",
            *(path, len(malformed), total, faults, more),
        )
    return tuple(read)


def _places(malformed: list[Malformed]) -> str:
    shown = ", ".join(m.place for m in malformed[:_SHOWN])
    return shown + (", ..." if len(malformed) > _SHOWN else "")
