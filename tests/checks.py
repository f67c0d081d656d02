"""Checks for the pool's tests, well-behaved and hostile; workers import them by name."""

import os
import signal
import subprocess
import sys
import time

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.pool import default_pool


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


def grandchild(file: str) -> Verdict:
    """Leaves a session of its own that holds all descriptors, its id in the file, and ends."""
    left = os.fork()
    if left == 0:
        os.setsid()
        time.sleep(120)
        os._exit(0)
    with open(file, "w") as out:
        out.write(str(left))
    os._exit(0)


def fork_and_sleep(file: str) -> Verdict:
    """Hangs together with a process it has started."""
    child = os.fork()
    if child != 0:
        with open(file + ".new", "w") as out:
            out.write(str(child))
        os.rename(file + ".new", file)
    time.sleep(120)


def exists(file: str) -> bool:
    return os.path.exists(file)


def crash_once(file: str) -> Verdict:
    if os.path.exists(file):
        return Verdict(True, "second")
    with open(file, "w"):
        os._exit(1)


_COUNTED = []


def count(_: int) -> Verdict:
    """How often this worker was asked; a cached verdict does not count."""
    _COUNTED.append(1)
    return Verdict(True, "counted", str(len(_COUNTED) - 1))


def use_cpu(seconds: float) -> Verdict:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return Verdict(True, "used")


def use_default_pool() -> str:
    """The process id of a worker; for processes that are no worker."""
    verdict = default_pool().run(Check(pid, (os.getpid(),)))
    assert verdict.correct
    return verdict.extracted


def open_in_a_program(_: int) -> Verdict:
    """The descriptors that a program started by a check finds open, though told to keep all."""
    code = "import os; print(sorted(set(os.listdir('/proc/self/fd')) - {'0', '1', '2'}))"
    done = subprocess.run(
        [sys.executable, "-c", code], close_fds=False, capture_output=True, text=True
    )
    return Verdict(done.returncode == 0, "listed", done.stdout.strip())


def hashed(text: str) -> Verdict:
    return Verdict(True, "hashed", str(hash(text)))


def touch(file: str) -> Verdict:
    with open(file, "w"):
        return Verdict(True, "touched")
