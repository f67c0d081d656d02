"""A step as a command: one line in, one line out, going on where it stopped."""

import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from reasoning_jax.preference.pipeline.trace import Trace
from reasoning_jax.tasks.records import parse_records

T = TypeVar("T")


def read_traces(path: str | os.PathLike) -> tuple[Trace, ...]:
    """The traces of a file that ``run_lines`` wrote to its end.

    Raises:
      ValueError: naming file, line and fault.
    """
    return parse_records(pathlib.Path(path), Trace.from_json)


def run_lines(
    source: Sequence[T],
    path: str | os.PathLike,
    work: Callable[[Sequence[T]], Sequence[Trace]],
    at_once: int,
    settings: Mapping[str, Any],
    told: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Trace, ...]:
    """``work`` over the source in parts of ``at_once``; each part is on disk before the next.

    Called again it takes the lines that are there and goes on after them, so ``work`` must give
    for every entry one trace that depends on that entry alone.

    Args:
      path: JSON lines, one for each entry of the source, in its order.
      settings: as JSON, beside the file; what was begun with others is not gone on with.
      told: called with how many entries are done, of how many.

    Raises:
      ValueError: the file was begun with other settings, or has more lines than the source.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _check_settings(path, settings)
    done = _whole_lines(path)
    if done > len(source):
        raise ValueError(f"{path} holds {done} lines for {len(source)} entries; it is of others")
    told(done, len(source))
    with open(path, "a", encoding="utf-8") as lines:
        for first in range(done, len(source), at_once):
            part = source[first : first + at_once]
            traces = work(part)
            if len(traces) != len(part):
                raise RuntimeError(f"{len(traces)} traces came of {len(part)} entries")
            lines.write("".join(json.dumps(trace.to_json()) + "\n" for trace in traces))
            lines.flush()
            os.fsync(lines.fileno())
            told(first + len(part), len(source))
    return read_traces(path) if source else ()


def _check_settings(path: pathlib.Path, settings: Mapping[str, Any]) -> None:
    kept = path.with_name(path.name + ".settings.json")
    wanted = json.loads(json.dumps(settings))
    if path.exists() and kept.exists():
        before = json.loads(kept.read_text())
        if changed := _differences(before, wanted):
            raise ValueError(
                f"{path} was begun with other settings ({'; '.join(changed)}); give another file, "
                "or delete it"
            )
    kept.write_text(json.dumps(wanted, indent=2) + "\n")


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    return [
        f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _whole_lines(path: pathlib.Path) -> int:
    """How many lines are there; what was written of a further one is cut off."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        os.truncate(path, end)
    return data.count(b"\n")
