"""A Python interpreter as a tool: sandboxed, with a state of its own for every row."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from reasoning_jax.tools.protocol import ToolResult


class Outcome(Protocol):
    """What an interpreter says of a piece of code, as `verify.programs.CallResult` has it."""

    text: str
    failed: bool
    reason: str


class Interpreter(Protocol):
    """Runs pieces of code one after the other, as `verify.programs.Session` does."""

    def run(self, code: str) -> Outcome: ...

    def close(self) -> None: ...


def python(
    cpu_seconds: float = 5.0,
    wall_seconds: float = 10.0,
    memory_bytes: int = 256 << 20,
    output_bytes: int = 1 << 14,
    processes: int = 0,
) -> "Python":
    """An interpreter per row: what a call defines, later calls see; the last value is shown.

    Args:
      cpu_seconds, wall_seconds, memory_bytes, output_bytes: limits of a call.
      processes: calls that run at once; 0 is one for every core this process may use.

    Raises:
      ValueError: no sufficient isolation holds on this machine.
    """
    from reasoning_jax.verify import programs  # costs nothing for runs that do not ask for it

    try:
        programs.choose(None)
    except programs.IsolationError as error:
        raise ValueError(f"the tool python cannot run here: {error}") from error
    limits = programs.Limits(
        cpu_seconds=cpu_seconds,
        wall_seconds=wall_seconds,
        memory_bytes=memory_bytes,
        output_bytes=output_bytes,
    )
    return Python(lambda: programs.Session(limits), processes or len(os.sched_getaffinity(0)))


class Python:
    """The tool ``python``.

    Args:
      interpreter: makes the interpreter of a row.
      processes: calls that run at once.
    """

    name = "python"

    def __init__(self, interpreter: Callable[[], Interpreter], processes: int):
        if processes < 1:
            raise ValueError(f"processes is {processes}; it must be at least 1")
        self._interpreter = interpreter
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="python-tool")

    def open(self) -> "_Row":
        return _Row(self._interpreter(), self._threads)


class _Row:
    """The session of one row; its interpreter is closed once no thread uses it."""

    def __init__(self, interpreter: Interpreter, threads: ThreadPoolExecutor):
        self._interpreter, self._threads = interpreter, threads
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, argument: str) -> "Future[ToolResult]":
        return self._threads.submit(self._run, argument.strip("\n"))

    def close(self) -> None:
        self._closed = True
        # A call that is still running ends within its own limits, and closes behind itself.
        if self._lock.acquire(blocking=False):
            self._interpreter.close()
            self._lock.release()

    def _run(self, code: str) -> ToolResult:
        with self._lock:
            if self._closed:
                return ToolResult("the row has ended", error=True)
            try:
                outcome = self._interpreter.run(code)
            finally:
                if self._closed:
                    self._interpreter.close()
        text = outcome.text.strip("\n")
        if outcome.failed and outcome.reason != "exception":
            # The state is gone, which no traceback says.
            text = f"{text}\n{outcome.reason}; the interpreter starts anew".lstrip("\n")
        return ToolResult(text, outcome.failed)
