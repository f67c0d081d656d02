"""The worker: works out one check after another, within limits the kernel holds it to.

A worker has no signal handler and no alarm that code could swallow. Beyond its CPU time the
kernel kills it (the profiling timer counts CPU time of all threads and its signal is not
handled); beyond its memory allocations fail; its wall time is watched from outside.
"""

import importlib
import json
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from reasoning_jax.types import Verdict
from reasoning_jax.verify.workers.channel import Channel

# A worker that has kept so much more address space than it began with makes room for a fresh one.
_RETAINED = 64 << 20  # bytes
# So does one that has worked out so many checks: caches of libraries grow and slow.
_CHECKS = 2_000


def prepare(module: str) -> None:
    """Imports a module of check functions and calls its ``prepare()``, if it has one.

    What a check would import on its first call belongs there: nothing of it is timed.
    """
    importlib.invalidate_caches()  # a file may be younger than the last look into its folder
    loaded = importlib.import_module(module)
    ready = getattr(loaded, "prepare", None)
    if ready is not None:
        ready()


def serve(channel: Channel, prepared: set[str]) -> None:
    """Answers checks until the other end is closed, or until a fresh worker should take over.

    Args:
      channel: receives pickled (sys.path, module, function, args, cpu_seconds, memory_bytes), the
        args pickled by themselves; sends JSON {"verdict": its fields, "detail": what went wrong,
        "stays": whether it serves on}.
      prepared: modules that are prepared already.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    baseline = _address_space()
    channel.send(b"ready")
    done = 0
    while True:
        try:
            messages = channel.receive()
        except EOFError:
            return
        for message in messages:
            path, module, name, packed, cpu_seconds, memory_bytes = pickle.loads(message)
            try:
                if module not in prepared:
                    sys.path[:] = path
                    prepare(module)
                    prepared.add(module)
                    baseline = _address_space()
                function, args = _find(module, name), pickle.loads(packed)
            except Exception as error:
                verdict, detail = _failed(error)
            else:
                verdict, detail = _limited(function, args, cpu_seconds, baseline + memory_bytes)
            done += 1
            stays = (
                verdict.reason != "memory"
                and done < _CHECKS
                and _address_space() < baseline + _RETAINED
            )
            answer = {"verdict": vars(verdict), "detail": detail, "stays": stays}
            channel.send(json.dumps(answer).encode())
            if not stays:
                return


def _limited(
    function: Callable[..., Verdict], args: tuple, cpu_seconds: float, address_space: int
) -> tuple[Verdict, str]:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = address_space if hard == resource.RLIM_INFINITY else min(address_space, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        verdict = function(*args)
    except BaseException as error:
        _unlimited()
        return _failed(error)
    _unlimited()
    if type(verdict) is not Verdict:
        return _failed(TypeError(f"the check returned a {type(verdict).__name__}, not a Verdict"))
    for name, value in vars(verdict).items():
        allowed = (bool,) if name == "correct" else (str,)
        if type(value) not in (*allowed, type(None)):
            return _failed(TypeError(f"the check's verdict has {name} of {type(value).__name__}"))
    return verdict, ""


def _unlimited() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _failed(error: BaseException) -> tuple[Verdict, str]:
    reason = "memory" if isinstance(error, MemoryError) else f"error:{type(error).__name__}"
    try:
        detail = str(error)[:500]
    except Exception:
        detail = ""
    return Verdict(None, reason), detail


def _find(module: str, name: str) -> Any:
    found = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _address_space() -> int:
    """Bytes of this process's address space; 0 where the kernel does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def detach() -> None:
    """Gives this process a group of its own, and neither input nor output."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.close(null)
