"""A Python interpreter with state, in a sandbox, for tool calls."""

import contextlib
import dataclasses
import os
import select
import socket
import time

from reasoning_jax.verify.programs import isolation, warm
from reasoning_jax.verify.programs.limits import Limits
from reasoning_jax.verify.programs.line import BadReply, Ended, Line
from reasoning_jax.verify.programs.sandbox import End, Sandbox, SandboxLost

DEFAULT = Limits(output_bytes=1 << 14)
CUT = "\n[output cut]"
MAX_CODE = 1 << 24  # bytes of one piece of code

_MESSAGE_BYTES = 1 << 10


@dataclasses.dataclass(frozen=True)
class CallResult:
    """What a piece of code printed.

    Attributes:
      text: stdout and stderr as they came, the value of a last expression and a traceback
        included; cut at `Limits.output_bytes`, and then says so.
      failed: it raised, broke a limit, or ended the interpreter.
      reason: "", or "exception"; or, when the state is lost and the next call begins anew,
        "timeout", "memory", "file_limit", "early_exit", "crash", "bad_reply" or "sandbox_lost".
    """

    text: str
    failed: bool
    reason: str


class Session:
    """Runs pieces of code one after the other; what one defines the next ones see.

    A context manager; not thread-safe. A sandbox is taken at the first call and kept until
    `close`; an interpreter that was killed is replaced at the next call.

    Args:
      limits: bounds of each call; output beyond `output_bytes` is dropped. `file_bytes` and
        `memory_bytes` bound what the session holds.
      level: the isolation level; None for what `isolation.choose` finds.
    """

    def __init__(self, limits: Limits = DEFAULT, level: str | None = None):
        self._limits, self._level = limits, level
        self._running: _Interpreter | None = None

    def run(self, code: str) -> CallResult:
        """Runs a piece of code. Never raises for what it does.

        Raises:
          IsolationError: when no sufficient isolation holds on this machine.
        """
        output = bytearray()
        try:
            if self._running is None:
                self._running = _Interpreter(isolation.choose(self._level), self._limits)
            reason = "exception" if self._running.run(code, output) else ""
        except Ended as ended:
            reason = _reason(ended.end)
        except (BadReply, SandboxLost) as error:
            reason = "bad_reply" if isinstance(error, BadReply) else "sandbox_lost"
        if reason not in ("", "exception"):
            self.close()
        limit = self._limits.output_bytes
        text = output[:limit].decode(errors="replace") + (CUT if len(output) > limit else "")
        return CallResult(text, bool(reason), reason)

    def close(self) -> None:
        """Ends the interpreter, if there is one, with all its state."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Interpreter:
    """One interpreter in a borrowed sandbox."""

    def __init__(self, level: str, limits: Limits):
        self._limits = limits
        self._sandbox: Sandbox = warm.take(level)
        self._output, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._output, False)
        self._stream, theirs = socket.socketpair()
        self._line = Line(self._stream, self._sandbox, 0.0, _MESSAGE_BYTES)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fds = [null, writer, writer, theirs.fileno()]
            self._sandbox.start({"kind": "repl", "limit": MAX_CODE}, limits, fds, session=True)
        finally:
            os.close(null)
            os.close(writer)
            theirs.close()

    def run(self, code: str, output: bytearray) -> bool:
        """Whether the code failed; appends what it printed, up to one byte past the limit.

        Raises:
          Ended, BadReply, SandboxLost: when the interpreter is no longer usable.
        """
        self._line.deadline = time.monotonic() + self._limits.wall_seconds
        self._sandbox.renew()
        self._line.send({"code": code})
        poller = select.poll()
        for source in (self._output, self._stream, self._sandbox):
            poller.register(source, select.POLLIN)
        try:
            while True:
                left = self._line.deadline - time.monotonic()
                ready = dict(poller.poll(max(0.0, left) * 1000))
                if ready.get(self._output) == select.POLLIN and left > 0:
                    self._take(output)
                    continue
                # The answer, the end or the deadline: the line tells them apart.
                reply = self._line.receive()
                return not isinstance(reply, dict) or bool(reply.get("failed", True))
        finally:
            while self._take(output):
                pass

    def close(self) -> None:
        """Ends the interpreter and gives its sandbox back."""
        with contextlib.suppress(SandboxLost):
            if self._sandbox.busy:
                self._sandbox.stop("closed")
        self._stream.close()
        os.close(self._output)
        warm.give_back(self._sandbox)

    def _take(self, output: bytearray) -> bool:
        try:
            part = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return False
        output += part[: self._limits.output_bytes + 1 - len(output)]
        return bool(part)


def _reason(end: End) -> str:
    return end.why or ("early_exit" if end.code >= 0 else "crash")
