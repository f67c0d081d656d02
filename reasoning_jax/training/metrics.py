"""What a run writes as it goes: metrics.jsonl, samples/<stage>.jsonl, TensorBoard events."""

import json
import math
import os
import pathlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

METRICS = "metrics.jsonl"
SAMPLES = "samples"
EVENTS = "tensorboard"

FLUSH_S = 1.0
"""Seconds that a TensorBoard event may wait; the file is synchronised with the disk each time."""

START: dict[str, Any] = {"lines": 0, "files": {}}
"""The position of a run that has written nothing; ``rewind(START)`` begins it afresh."""


class RunLog:
    """The metrics and samples of one run, appended to the files of its workdir.

    Each call appends whole lines in a single write, so that a killed process leaves at most one
    torn line at the end of a file; opening a log drops it. TensorBoard events carry the same
    names, with the number of lines before them as global step.
    """

    def __init__(self, workdir: str | os.PathLike):
        self._workdir = pathlib.Path(workdir)
        (self._workdir / SAMPLES).mkdir(parents=True, exist_ok=True)
        for path in self._files():
            _drop_torn_line(path)
        self._lines = _count_lines(self._workdir / METRICS)
        self._events: EventsWriter | None = None
        self._flushed = 0.0

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def log(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Appends one line of metrics.

        Args:
          stage: name of the stage that measured them.
          step: the stage's own step.
          metrics: flat names such as ``rl/reward``; numbers or zero-dimensional arrays. Floats
            are written in full, so equal values give equal text; nan and infinities become null.

        Raises:
          ValueError: a metric is not one number.
        """
        now = time.time()
        values = {name: _number(name, value) for name, value in metrics.items()}
        line = {"stage": stage, "step": int(step), "time": now, **values}
        _append(self._workdir / METRICS, [line])
        self._write_event(now, values)
        self._lines += 1

    def samples(self, stage: str, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends samples to read, one line each, to ``samples/<stage>.jsonl``."""
        lines = [
            {"step": int(step), **{name: _plain(value) for name, value in row.items()}}
            for row in rows
        ]
        _append(self._workdir / SAMPLES / f"{stage}.jsonl", lines)

    def position(self) -> dict[str, Any]:
        """Where the log stands, to be stored in a checkpoint: JSON-serialisable.

        The lines before it are on disk when this returns, and their events: number of metric
        lines, and the size in bytes of each file.
        """
        if self._events is not None:
            self._events.flush()
        files = {}
        for path in self._files():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            files[str(path.relative_to(self._workdir))] = path.stat().st_size
        return {"lines": self._lines, "files": files}

    def rewind(self, position: Mapping[str, Any]) -> None:
        """Forgets every line written after ``position``, so that a resumed run repeats none.

        Files that the position does not know are removed; TensorBoard is told to hide what came
        later.

        Raises:
          ValueError: a file is missing or shorter than the position says.
        """
        sizes = {self._workdir / name: size for name, size in position["files"].items()}
        for path, size in sizes.items():
            found = path.stat().st_size if path.exists() else 0
            if found < size:
                raise ValueError(
                    f"{path} has {found} bytes but the checkpoint was taken at {size}: the file "
                    "was changed since; restore it, or start in a new workdir"
                )
        for path in self._files():
            if path in sizes:
                os.truncate(path, sizes[path])
            else:
                path.unlink()
        self._lines = position["lines"]
        self.close()

    def close(self) -> None:
        """Closes the TensorBoard file; the next line opens another."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _files(self) -> list[pathlib.Path]:
        metrics = self._workdir / METRICS
        samples = sorted((self._workdir / SAMPLES).glob("*.jsonl"))
        return ([metrics] if metrics.exists() else []) + samples

    def _write_event(self, now: float, values: Mapping[str, float | None]) -> None:
        # Written as events, not through SummaryWriter, which renames `eval/pass@1`, queues in
        # another thread and overwrites a file made in the same second.
        if self._events is None:
            folder = self._workdir / EVENTS
            folder.mkdir(exist_ok=True)
            self._events = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
            start = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(wall_time=now, step=self._lines, session_log=start))
        summary = Summary(
            value=[
                Summary.Value(tag=name, simple_value=math.nan if value is None else value)
                for name, value in values.items()
            ]
        )
        self._events.write_event(Event(wall_time=now, step=self._lines, summary=summary))
        if time.monotonic() - self._flushed >= FLUSH_S:
            self._events.flush()
            self._flushed = time.monotonic()


class NullLog:
    """A RunLog that writes nothing, for every process but the first."""

    def __enter__(self) -> "NullLog":
        return self

    def __exit__(self, *_) -> None:
        pass

    def log(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Does nothing."""

    def samples(self, stage: str, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Does nothing."""

    def position(self) -> dict[str, Any]:
        """The position of a log without lines."""
        return START

    def rewind(self, position: Mapping[str, Any]) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def read_metrics(workdir: str | os.PathLike) -> list[dict[str, Any]]:
    """The lines of a workdir's metrics.jsonl, in order; null (a non-finite value) is None.

    Raises:
      FileNotFoundError: the workdir has no metrics.jsonl.
      ValueError: a line is broken; the message names its number.
    """
    path = pathlib.Path(workdir) / METRICS
    if not path.exists():
        raise FileNotFoundError(f"no {METRICS} in {workdir}: no stage has run in this workdir")
    return list(read_lines(path))


def read_lines(path: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Yields the JSON objects of a file, one a line; a ValueError gives the number of a bad one."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number} is not JSON: {error}") from error
            if not isinstance(record, dict):
                raise ValueError(f"{path}, line {number} is not a JSON object: {line.strip()!r}")
            yield record


def _number(name: str, value: Any) -> float | None:
    try:
        number = value.item() if hasattr(value, "item") else value
    except ValueError:
        number = None
    if type(number) not in (int, float):
        raise ValueError(f"metric {name!r} must be one number, not {value!r}")
    return _plain(number)


def _plain(value: Any) -> Any:
    """A scalar array as a Python number, a non-finite number as None, anything else as it is."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _append(path: pathlib.Path, lines: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    with open(path, "ab", buffering=0) as file:
        # A lone surrogate cannot be UTF-8; its backslash form is the JSON escape of the same.
        file.write(text.encode("utf-8", errors="backslashreplace"))


def _drop_torn_line(path: pathlib.Path) -> None:
    content = path.read_bytes()
    os.truncate(path, content.rfind(b"\n") + 1)


def _count_lines(path: pathlib.Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
