"""Lets a loop that runs on its own go on by one step at a time."""

import threading
from collections.abc import Callable


class Turnstile:
    """What a loop passes once a step, in a thread of its own, and what asks for its steps."""

    def __init__(self):
        self._go = threading.Semaphore(0)
        self._here = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._calls = 0

    def passing(self) -> None:
        """Called by the loop once a step, always at the same point: waits to be let on."""
        self._here.release()
        self._go.acquire()

    def count(self, each: int) -> None:
        """Passes at the first of every ``each`` calls."""
        if self._calls % each == 0:
            self.passing()
        self._calls += 1

    def start(self, loop: Callable[[], None]) -> None:
        """Runs a loop up to its first passing."""

        def run() -> None:
            try:
                loop()
                self._error = RuntimeError("the loop has ended; give it more steps")
            except BaseException as error:
                self._error = error
            self._here.release()

        threading.Thread(target=run, daemon=True).start()
        self._wait()

    def step(self) -> None:
        """One step: from a passing to the next.

        Raises:
          RuntimeError: the loop ended or failed; its error is the cause.
        """
        self._go.release()
        self._wait()

    def _wait(self) -> None:
        self._here.acquire()
        if self._error is not None:
            raise RuntimeError(f"the loop ended: {self._error}") from self._error


TURNSTILE = Turnstile()
"""That of the process: functions that a config names find it here."""
