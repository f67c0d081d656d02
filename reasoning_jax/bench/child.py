"""The process of a contestant: python -m reasoning_jax.bench.child MODULE.

MODULE defines ``prepare(work) -> (run, about)``: ``work`` is a dictionary of JSON values, ``run()``
does the work once, to its very end, and gives a `Done`, ``about`` is a dictionary of JSON values.
Nothing here needs more than the standard library, for peers have environments of their own.

A work is warmed up as often as its ``warm_ups`` say, else ``WARM_UPS`` of MODULE, else twice.

Lines in: ``{"prepare": work, "key": key}``, ``{"run": key}``, ``{"drop": key}``. Lines out:
``about`` with ``seconds``, the fields of an `arena.Measurement`, nothing, or ``{"error": text}``,
``{"missing": text}``. After a work is dropped, ``release()`` of MODULE, if any, frees what is
cached.
"""

import dataclasses
import gc
import importlib
import json
import os
import pathlib
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

WARM_UPS = 2  # the first compiles, the second may compile for what the first left behind


@dataclasses.dataclass(frozen=True)
class Done:
    """What a run did; the fields are those of `arena.Measurement`."""

    tokens: int
    check: float | None = None
    extra: dict[str, float] = dataclasses.field(default_factory=dict)


class Unavailable(Exception):
    """A package is missing; the message says which and how to install it."""


def serve(module: str, lines: Any, out: Any) -> None:
    """Answers each request line, by the functions of a module, until there are no more."""
    runs: dict[str, Callable[[], Done]] = {}
    for line in lines:
        request = json.loads(line)
        try:
            if "prepare" in request:
                prepare = importlib.import_module(module).prepare
                answer = _prepare(prepare, request["prepare"], request["key"], runs)
            elif "run" in request:
                answer = measure(runs[request["run"]])
            else:
                del runs[request["drop"]]
                gc.collect()
                getattr(sys.modules[module], "release", lambda: None)()
                answer = {}
        except Unavailable as error:
            answer = {"missing": str(error)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def _prepare(
    prepare: Callable, work: dict, key: str, runs: dict[str, Callable[[], Done]]
) -> dict[str, Any]:
    begin = time.monotonic()
    run, about = prepare(work)
    own = getattr(sys.modules[prepare.__module__], "WARM_UPS", WARM_UPS)
    runs[key] = _with_first_check(run)
    for _ in range(work.get("warm_ups", own)):
        runs[key]()
    return {**about, "seconds": time.monotonic() - begin}


def _with_first_check(run: Callable[[], Done]) -> Callable[[], Done]:
    """The same run, always with the check of its first time."""
    first: list[float | None] = []

    def checked() -> Done:
        done = run()
        first.append(done.check)
        return dataclasses.replace(done, check=first[0])

    return checked


def measure(run: Callable[[], Done]) -> dict[str, Any]:
    """One run with its wall time, CPU time and peak of resident memory.

    It follows upon another that is not timed: what a process freed before it waited for its turn
    may have gone back to the machine, and to get it again took as long as an update.
    """
    run()
    gc.collect()
    _forget_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    done = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "peak_mb": peak_mb(), **dataclasses.asdict(done)}


def peak_mb() -> float:
    """Largest resident size of this process in MB, since its start or the last run began."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e3
    import resource

    scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _forget_peak() -> None:
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: the peak is that since the start
        return


def main() -> None:
    """Serves standard input; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin, answers)
    answers.close()
    os._exit(0)  # at once: libraries with threads may hang while they end


if __name__ == "__main__":
    # The module that contestants import, whose classes are others than those of this one.
    from reasoning_jax.bench import child

    child.main()
