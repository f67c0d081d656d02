"""Checks for the pool's tests, well-behaved and hostile; workers import them by name."""

import os
import signal
import sys
import time

from reasoning_jax.types import Verdict


def equal(a, b) -> Verdict:
    return Verdict(a == b, "equal", str(a))


def pid(_: int) -> Verdict:
    return Verdict(True, "pid", str(os.getpid()))


def imported(module: str) -> Verdict:
    return Verdict(module in sys.modules, "imported")


def sleep(seconds: float, _: int = 0) -> Verdict:
    time.sleep(seconds)
    return Verdict(True, "slept")


def spin(seconds: float) -> Verdict:
    """Uses so much CPU time, catching all that can be caught."""
    while time.process_time() < seconds:
        try:
            pow(3, 10_000_000)
        except BaseException:
            continue
    return Verdict(True, "spun")


def endless_power(_: int) -> Verdict:
    """One instruction of the interpreter that does not come back."""
    return Verdict(bool(7 ** (7**30)), "never")


def allocate(bytes_: int) -> Verdict:
    held = []
    while len(held) << 20 < bytes_:
        held.append(bytearray(1 << 20))
    return Verdict(True, "allocated")


_KEPT = []


def keep(bytes_: int) -> Verdict:
    _KEPT.append(bytearray(bytes_))
    return Verdict(True, "kept", str(os.getpid()))


def leave(code: int) -> Verdict:
    os._exit(code)


def die(number: int) -> Verdict:
    os.kill(os.getpid(), number)
    time.sleep(60)


def stop(_: int) -> Verdict:
    os.kill(os.getpid(), signal.SIGSTOP)


def close_descriptors(_: int) -> Verdict:
    os.closerange(3, 100)
    time.sleep(60)


def overflow_stack(_: int) -> Verdict:
    def deeper(n):
        return deeper(n + 1)

    return deeper(0)


def fail(message: str) -> Verdict:
    raise ZeroDivisionError(message)


def leave_politely(_: int) -> Verdict:
    sys.exit(0)


def not_a_verdict(_: int) -> int:
    return 7


def unpicklable(_: int) -> Verdict:
    return Verdict(True, "lambda", lambda: None)


def grandchild(marker: str) -> Verdict:
    """Leaves a process behind that holds all descriptors, then dies."""
    if os.fork() == 0:
        time.sleep(120)
        os._exit(0)
    os._exit(0)
