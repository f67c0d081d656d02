"""Sandboxes kept warm between programs, per process; never shared with a forked one."""

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Iterator

from reasoning_jax.verify.programs.sandbox import Sandbox

IDLE = 16  # kept at most, of one level

_lock = threading.Lock()
_idle: dict[str, list[Sandbox]] = {}
_all: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()


def take(level: str) -> Sandbox:
    """A sandbox of an isolation level for the caller alone, started when none is idle."""
    with _lock:
        idle = _idle.setdefault(level, [])
        while idle:
            sandbox = idle.pop()
            if sandbox.usable:
                return sandbox
            sandbox.close()
    return fresh(level)


def fresh(level: str) -> Sandbox:
    """A new sandbox of an isolation level for the caller alone."""
    sandbox = Sandbox(level)
    _all.add(sandbox)
    return sandbox


def give_back(sandbox: Sandbox) -> None:
    """Keeps a sandbox for the next program; one still busy or dead is closed instead."""
    with _lock:
        idle = _idle.setdefault(sandbox.level, [])
        if sandbox.usable and len(idle) < IDLE:
            idle.append(sandbox)
            return
    sandbox.close()


@contextlib.contextmanager
def borrowed(level: str) -> Iterator[Sandbox]:
    """A sandbox for the length of a block."""
    sandbox = take(level)
    try:
        yield sandbox
    finally:
        give_back(sandbox)


def close_all() -> None:
    """Ends all idle sandboxes of this process."""
    with _lock:
        sandboxes = [sandbox for idle in _idle.values() for sandbox in idle]
        _idle.clear()
    for sandbox in sandboxes:
        sandbox.close()


def _forget() -> None:
    """In a forked process: lets go of the sockets, whose closing ends the sandboxes."""
    global _lock
    _lock = threading.Lock()
    for sandbox in list(_all):
        sandbox.close()
    _all.clear()
    _idle.clear()


atexit.register(close_all)
os.register_at_fork(after_in_child=_forget)
