"""The arena of a suite: us, the peers that are there, and the machine's roofline."""

import contextlib
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reasoning_jax.bench.arena import Arena, Contestant, Measurement, Missing
from reasoning_jax.bench.floors import Machine
from reasoning_jax.bench.rows import OURS
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.works import Work

_MACHINE = "machine"


class Stage:
    """Runs works in alternation, and keeps what contestants say of themselves."""

    def __init__(self, settings: Settings, arena: Arena):
        self._settings = settings
        self._arena = arena
        self._missing: set[str] = set()
        self._numbers = itertools.count()
        self._versions: dict[str, str] = {}
        self._devices: dict[str, str] = {}
        self._best: dict[str, float] = {}

    def calibrate(self) -> Machine:
        """Measures the roofline once more; the best that was seen of it in this run."""
        if _MACHINE not in self._devices:
            load, dtype = self._settings.load, self._settings.sizes.dtype
            work = {"matrix": load.matrix, "stream": load.stream, "dtype": dtype}
            self._note(_MACHINE, self._arena.prepare(_MACHINE, _MACHINE, work))
        for key, value in self._arena.measure(_MACHINE, _MACHINE).extra.items():
            self._best[key] = max(value, self._best.get(key, 0.0))
        return Machine(**self._best)

    def run(
        self,
        names: Sequence[str],
        works: Mapping[str, Work],
        rounds: int = 0,
        warm_ups: int | None = None,
    ) -> dict[str, list[Measurement]]:
        """The works of all names in alternation.

        A contestant whose package is missing is told of, once, and left out.

        Args:
          names: of contestants; after a colon may stand which of several works of one it is.
          works: by name.
          rounds: 0 for those of the settings.
          warm_ups: None for those that contestants have of their own.
        """
        turns = {}
        for name in names:
            who, key = name.partition(":")[0], str(next(self._numbers))
            if who in self._missing:
                continue
            try:
                work = works[name].to_json()
                if warm_ups is not None:
                    work["warm_ups"] = warm_ups
                self._note(who, self._arena.prepare(who, key, work))
                turns[name] = (who, key)
            except Missing as missing:
                self._missing.add(who)
                print(missing, file=sys.stderr, flush=True)
        found = self._arena.alternate(list(turns.values()), rounds or self._settings.rounds)
        for turn in turns.values():
            self._arena.drop(*turn)
        return {name: found[turn] for name, turn in turns.items()}

    def restart(self, who: str) -> None:
        """Ends a contestant's process; the next work finds a fresh one."""
        self._arena.leave(who)

    def summary(self) -> dict[str, Any]:
        """Versions, devices and the roofline."""
        return {"versions": self._versions, "devices": self._devices, "roofline": self._best}

    def _note(self, who: str, about: dict[str, Any]) -> None:
        self._versions |= about.get("versions", {})
        self._devices[who] = about["device"]


@contextlib.contextmanager
def open_stage(settings: Settings) -> Iterator[Stage]:
    """A `Stage` whose processes end on leaving."""
    machine = Contestant(_MACHINE, "reasoning_jax.bench.contestants.machine")
    names = (OURS, *settings.peers)
    with Arena([machine, *map(settings.contestant, names)]) as arena:
        yield Stage(settings, arena)
