"""What a terminal shows: the progress of a stage, the table of an evaluation."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import rich.box
import rich.console
import rich.progress
import rich.table

HEADLINES = ("train/loss", "rl/reward", "rl/entropy", "rl/length", "eval/pass@1", "eval/greedy")
"""The metrics that stand beside a progress bar once a stage has reported them."""

PLAIN_INTERVAL = 10.0
"""Seconds between the lines that stand for a bar where output is not a terminal."""


_UNITS = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, size, name

Metrics = Mapping[str, float | None]


@contextlib.contextmanager
def progress(
    total: int,
    description: str,
    start: int = 0,
    console: rich.console.Console | None = None,
) -> Iterator["Progress"]:
    """Shows how far a stage is: a bar on a terminal, else a line now and then and one at the end.

    Args:
      total: steps of the stage.
      description: its name.
      start: steps done before, in a resumed run.
      console: where to write; standard output when None.

    Yields:
      A ``Progress``; call its ``update`` after every step.
    """
    console = console or rich.console.Console()
    state = Progress(total, description, start)
    show = _bar if console.is_terminal else _lines
    with show(state, console) as state.on_update:
        yield state


class Progress:
    """The state that a bar shows: step, latest metrics, time left."""

    def __init__(self, total: int, description: str, start: int):
        self.total = total
        self.description = description
        self.step = start
        self._latest: dict[str, float] = {}
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None
        self.on_update: Callable[[], None] = lambda: None

    def update(self, step: int, metrics: Metrics | None = None) -> None:
        """Says that ``step`` steps are done; ``metrics`` are those of the log, any subset."""
        self.step = step
        self._latest.update({k: float(v) for k, v in (metrics or {}).items() if v is not None})
        self._last = (step, time.monotonic())
        self._first = self._first or self._last
        self.on_update()

    def seconds_left(self) -> float | None:
        """At the mean rate since the first update, which paid for compilation; None before."""
        if self._first is None or self._last[0] <= self._first[0]:
            return None
        seconds = self._last[1] - self._first[1]
        return (self.total - self.step) * seconds / (self._last[0] - self._first[0])

    def summary(self) -> str:
        """One line of the latest headline metrics, speed and time left."""
        parts = [
            f"{name.rpartition('/')[2]} {show_value(name, self._latest[name])}"
            for name in HEADLINES
            if name in self._latest
        ]
        speed = self._latest.get("perf/tokens_per_s")
        if speed is not None:
            parts.append(f"{short_number(speed)} tokens/s")
        left = self.seconds_left()
        if left is not None and self.step < self.total:
            parts.append(f"{duration(left)} left")
        return "  ".join(parts)


@contextlib.contextmanager
def _bar(state: Progress, console: rich.console.Console) -> Iterator[Callable[[], None]]:
    columns = (
        rich.progress.TextColumn("[bold]{task.description}"),
        rich.progress.BarColumn(bar_width=24),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[summary]}", style="cyan", markup=False),
    )
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task(state.description, total=state.total, completed=state.step, summary="")
        yield lambda: bar.update(task, completed=state.step, summary=state.summary())


@contextlib.contextmanager
def _lines(state: Progress, console: rich.console.Console) -> Iterator[Callable[[], None]]:
    shown_step, shown_at = None, time.monotonic()

    def write() -> None:
        nonlocal shown_step, shown_at
        shown_step, shown_at = state.step, time.monotonic()
        head = f"{state.description}  {state.step}/{state.total}"
        console.file.write(f"{head}  {state.summary()}".rstrip() + "\n")
        console.file.flush()

    def show() -> None:
        if time.monotonic() - shown_at >= PLAIN_INTERVAL:
            write()

    try:
        yield show
    finally:
        if state.step != shown_step:
            write()


def evaluation_table(
    title: str,
    metrics: Metrics,
    before: Metrics | None = None,
    console: rich.console.Console | None = None,
) -> None:
    """Prints an evaluation, and its change against an earlier one.

    Args:
      title: what was evaluated.
      metrics: the logged names, ``eval/pass@1``, ``eval/pass@1_interval`` ...; others are ignored.
        An ``_interval`` is half the width of the 95 % interval of the value of the same name.
      before: the same of an earlier evaluation, or None.
      console: where to write; standard output when None.
    """
    table = rich.table.Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    table.add_column("")
    if before is not None:
        table.add_column("before", justify="right", style="dim")
    table.add_column("now" if before is not None else "value", justify="right", style="bold")
    if before is not None:
        table.add_column("change", justify="right")
    for name in evaluation_names(metrics):
        now = show_measurement(name, metrics)
        if before is None:
            table.add_row(name.removeprefix("eval/"), now)
        else:
            change = show_change(name, before.get(name), metrics[name])
            table.add_row(name.removeprefix("eval/"), show_measurement(name, before), now, change)
    (console or rich.console.Console()).print(table)


def evaluation_names(metrics: Metrics) -> list[str]:
    """The ``eval/`` names of a line without their intervals, in the order people read them."""
    names = [n for n in metrics if n.startswith("eval/") and not n.endswith("_interval")]
    return sorted(names, key=_reading_order)


def headline_names(evaluations: Sequence[Metrics]) -> list[str]:
    """What all evaluations have in common and a reader compares first.

    Of the majority votes and of pass@k above 1 only the largest k; no counts.
    """
    shared = set.intersection(*map(set, evaluations)) if evaluations else set()
    names = {}
    for name in evaluation_names(dict.fromkeys(shared)):
        kind, _, k = name.partition("@")
        if is_fraction(name) or kind.endswith("length"):
            names[name if k in ("", "1") else kind] = name
    return list(names.values())


def _reading_order(name: str) -> tuple[str, int, int]:
    folder, _, last = name.rpartition("/")
    kind, _, k = last.partition("@")
    kinds = ["pass@1", "greedy", "maj", "pass", "truncated", "length"]
    key = last if last in kinds else kind
    rank = kinds.index(key) if key in kinds else len(kinds)
    return folder, rank, int(k) if k.isdigit() else 0


def is_fraction(name: str) -> bool:
    """Whether the metric of this name is a share of problems or samples, shown in per cent."""
    last = name.rpartition("/")[2]
    return re.fullmatch(r"(pass|maj|best)@\d+|greedy|truncated|accuracy", last) is not None


def show_value(name: str, value: float | None) -> str:
    """A metric as people read it: ``67.1%``, ``0.0132``, ``1.25k``."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}%" if is_fraction(name) else short_number(value)


def show_measurement(name: str, metrics: Metrics) -> str:
    """The metric ``name`` with its interval where there is one: ``67.1% ± 2.0``."""
    value, interval = metrics.get(name), metrics.get(f"{name}_interval")
    if value is None or interval is None:
        return show_value(name, value)
    half = f"{100 * interval:.1f}" if is_fraction(name) else short_number(interval)
    return f"{show_value(name, value)} ± {half}"


def show_change(name: str, before: float | None, after: float | None) -> str:
    """The difference, signed; of fractions in percentage points. Empty where one is missing."""
    if before is None or after is None:
        return ""
    change = after - before
    text = f"{100 * change:+.1f}" if is_fraction(name) else f"{change:+.3g}"
    return text.replace("-", "−")


def short_number(value: float) -> str:
    """Three significant digits or whole, thousands as k, M, G: ``0.0132``, ``4096``, ``12.5k``."""
    _, size, unit = next((row for row in _UNITS if abs(value) >= row[0]), (0.0, 1.0, ""))
    value = value / size
    return f"{value:.0f}{unit}" if abs(value) >= 100 else f"{value:.3g}{unit}"


def duration(seconds: float) -> str:
    """``0:42``, ``12:05``, ``3:07:00``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
