"""Contestants in processes of their own, made to do the same work in turn.

One parent starts a process for each contestant, with the interpreter and the environment that its
users have. A contestant sets a work up and warms it up once; after that it runs it on request, one
contestant at a time, so that what disturbs the machine disturbs all of them. Requests and answers
are JSON lines over pipes (`child.py`).
"""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]

OURS_ALONE = ("XLA_FLAGS", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "LD_PRELOAD")
"""Variables that `launch.environment` sets for us; a peer runs as its users start it."""

_PAUSE_S = 0.25  # thread pools spin for up to 0.2 s after their last work


@dataclasses.dataclass(frozen=True)
class Contestant:
    """Who takes part.

    Attributes:
      name: as rows call it.
      module: defines ``prepare(work) -> run``, see `child.py`.
      python: interpreter.
      ours: whether it keeps what `launch.environment` set.
      variables: more of its environment.
    """

    name: str
    module: str
    python: str = sys.executable
    ours: bool = False
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What its process starts with."""
        dropped = () if self.ours else OURS_ALONE
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        # Contestants share a card: none may take all of its memory at its start.
        first = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        return {**first, **kept, **self.variables, "PYTHONPATH": path}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One run of a work.

    Attributes:
      wall: seconds.
      cpu: CPU-seconds of the process, all threads.
      peak_mb: largest resident size during the run, what was resident before it included.
      tokens: what was done; each work says of which tokens.
      check: a number that equal work gives equally, such as a gradient norm, at the first run of
        the work, warm-ups included; or None.
      extra: more figures of the work.
    """

    wall: float
    cpu: float
    peak_mb: float
    tokens: int
    check: float | None = None
    extra: dict[str, float] = dataclasses.field(default_factory=dict)


class Missing(RuntimeError):
    """A contestant's package is not installed for its interpreter."""


class Arena:
    """The processes of some contestants, started when first asked; a context manager."""

    def __init__(self, contestants: Sequence[Contestant]):
        self._contestants = {contestant.name: contestant for contestant in contestants}
        self._processes: dict[str, _Process] = {}

    def __enter__(self) -> "Arena":
        return self

    def __exit__(self, *_) -> None:
        for name in list(self._processes):
            self.leave(name)

    def prepare(self, name: str, key: str, work: Mapping[str, Any]) -> dict[str, Any]:
        """Has a contestant set a work up under a key, and warm it up.

        Returns:
          What it says of itself: ``seconds`` it took, ``versions``, ``device``, ``check``.

        Raises:
          Missing: its package is not installed; the message says what to install.
          RuntimeError: it failed; the message ends with what it printed.
        """
        if name not in self._processes:
            self._processes[name] = _Process(self._contestants[name])
        return self._processes[name].ask({"prepare": dict(work), "key": key})

    def measure(self, name: str, key: str) -> Measurement:
        """One run of a work that was prepared."""
        time.sleep(_PAUSE_S)
        return Measurement(**self._processes[name].ask({"run": key}))

    def drop(self, name: str, key: str) -> None:
        """Has a contestant forget a work and free what it held for it."""
        self._processes[name].ask({"drop": key})

    def alternate(
        self, turns: Sequence[tuple[str, str]], rounds: int
    ) -> dict[tuple[str, str], list[Measurement]]:
        """Runs the (name, key) of each turn, one after the other, so many times over.

        The order turns round in every second round, so that none always follows the same one.
        """
        found: dict[tuple[str, str], list[Measurement]] = {turn: [] for turn in turns}
        for number in range(rounds):
            for turn in turns if number % 2 == 0 else reversed(turns):
                found[turn].append(self.measure(*turn))
        return found

    def leave(self, name: str) -> None:
        """Ends a contestant's process, with all it holds."""
        self._processes.pop(name).end()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Times of one contestant against those of another, pair by pair.

    Attributes:
      ratio: median over rounds of the other's wall time over its own; above 1 is faster.
      low, high: smallest and largest of them.
      cpu_ratio: median of the same of CPU-seconds.
    """

    ratio: float
    low: float
    high: float
    cpu_ratio: float


def compare(own: Sequence[Measurement], other: Sequence[Measurement]) -> Comparison:
    """How many times as fast the first is, by rounds of one `alternate`."""
    walls = [b.wall / a.wall for a, b in zip(own, other, strict=True)]
    cpus = [b.cpu / max(a.cpu, 1e-9) for a, b in zip(own, other, strict=True)]
    return Comparison(statistics.median(walls), min(walls), max(walls), statistics.median(cpus))


def median(measurements: Sequence[Measurement]) -> Measurement:
    """The field-by-field median of the runs of one work; ``check`` is that of the first run."""
    first = measurements[0]
    names = first.extra.keys()
    return Measurement(
        wall=statistics.median(m.wall for m in measurements),
        cpu=statistics.median(m.cpu for m in measurements),
        peak_mb=max(m.peak_mb for m in measurements),
        tokens=int(statistics.median(m.tokens for m in measurements)),
        check=first.check,
        extra={name: statistics.median(m.extra[name] for m in measurements) for name in names},
    )


class _Process:
    """One contestant's process."""

    def __init__(self, contestant: Contestant):
        self._name = contestant.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        try:
            self._process = subprocess.Popen(
                [contestant.python, "-m", "reasoning_jax.bench.child", contestant.module],
                cwd=ROOT,
                env=contestant.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
        except OSError as error:
            raise RuntimeError(f"{contestant.name}: {contestant.python}: {error}") from error

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise RuntimeError(f"{self._name} ended with status {code}: {self._said()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(f"{self._name}: {answer['missing']}")
        if "error" in answer:
            raise RuntimeError(f"{self._name}: {answer['error']}\n{self._said()}")
        return answer

    def end(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:]
