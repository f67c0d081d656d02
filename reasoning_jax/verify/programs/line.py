"""Talking to a program in a sandbox: messages and output, up to a deadline and within bounds."""

import json
import os
import select
import socket
import time
from typing import Any

from reasoning_jax.verify.programs.inside import frames
from reasoning_jax.verify.programs.sandbox import GRACE_SECONDS, End, Sandbox, SandboxLost

CLOSING_SECONDS = 1.0  # for a program that closed its line to end


class Ended(Exception):
    """The program has ended, or was stopped, before it answered; `end` says how."""

    def __init__(self, end: End):
        super().__init__(end)
        self.end = end


class BadReply(Exception):
    """What came is no message."""


class Line:
    """Messages to and from a program.

    Args:
      stream: our end of a stream socket.
      sandbox: where the program runs.
      deadline: of `time.monotonic`, after which it is stopped.
      limit: bytes of the longest message taken.
    """

    def __init__(self, stream: socket.socket, sandbox: Sandbox, deadline: float, limit: int):
        stream.setblocking(False)
        self._stream, self._sandbox, self._limit = stream, sandbox, limit
        self.deadline = deadline

    def send(self, message: Any) -> None:
        """Sends a message; Ended when the program ends before it has read it."""
        data = json.dumps(message, allow_nan=False).encode()
        view = memoryview(len(data).to_bytes(4, "big") + data)
        while view:
            self._wait(select.POLLOUT)
            try:
                view = view[self._stream.send(view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Ended(self._last_end()) from None

    def receive(self) -> Any:
        """The next message.

        Raises:
          Ended: when the program ends first, or the deadline passes.
          BadReply: for what is too long or no message.
        """
        length = int.from_bytes(self._exactly(4), "big")
        if length > self._limit:
            raise BadReply(f"a message of {length} bytes")
        try:
            return frames.parse(bytes(self._exactly(length)))
        except ValueError as error:
            raise BadReply(str(error)[:200]) from error

    def _exactly(self, size: int) -> bytearray:
        data = bytearray()
        while len(data) < size:
            self._wait(select.POLLIN)
            try:
                part = self._stream.recv(min(size - len(data), 1 << 20))
            except BlockingIOError:
                continue
            except OSError:
                part = b""
            if not part:
                raise Ended(self._last_end())
            data += part
        return data

    def _wait(self, event: int) -> None:
        poller = select.poll()
        poller.register(self._stream, event)
        poller.register(self._sandbox, select.POLLIN)
        if not (ready := dict(poller.poll(max(0.0, self.deadline - time.monotonic()) * 1000))):
            raise Ended(self._sandbox.stop("timeout"))
        if self._stream.fileno() not in ready and (end := self._sandbox.end(0)):
            raise Ended(end)

    def _last_end(self) -> End:
        """The end of a program that has closed its side: at once, else it is stopped."""
        return self._sandbox.end(CLOSING_SECONDS) or self._sandbox.stop("bad_reply")


class Capture:
    """What comes through a pipe, up to a number of bytes."""

    def __init__(self, limit: int):
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_end, False)
        self.data = bytearray()
        self._limit = limit

    def started(self) -> None:
        """Lets go of the program's end."""
        os.close(self.write_end)
        self.write_end = -1

    def take(self) -> bool:
        """Reads what is there; False when nothing more will come."""
        try:
            part = os.read(self.read_end, 1 << 16)
        except BlockingIOError:
            return True
        room = self._limit + 1 - len(self.data)
        self.data += part[:room]
        return bool(part)

    def drain(self) -> None:
        """Reads what is left when all writers have gone."""
        while len(self.data) <= self._limit and self.take():
            pass

    @property
    def full(self) -> bool:
        """Whether more came than the limit."""
        return len(self.data) > self._limit

    def text(self) -> str:
        """What came, within the limit; bytes that are no UTF-8 are replaced."""
        return self.data[: self._limit].decode("utf-8", errors="replace")

    def close(self) -> None:
        """Closes both ends."""
        for fd in (self.read_end, self.write_end):
            if fd >= 0:
                os.close(fd)
        self.read_end = self.write_end = -1


def collect(sandbox: Sandbox, out: Capture, errors: Capture, deadline: float) -> End:
    """Reads output until the program ends; stops it at the deadline or when `out` is full.

    What goes beyond the limit of `errors` is read and dropped.
    """
    poller = select.poll()
    poller.register(sandbox, select.POLLIN)
    captures = {capture.read_end: capture for capture in (out, errors)}
    for fd in captures:
        poller.register(fd, select.POLLIN)
    while True:
        ready = dict(poller.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if not ready:
            return sandbox.stop("timeout")
        for fd in ready.keys() & captures.keys():
            if not captures[fd].take():
                poller.unregister(fd)
        if out.full:
            return sandbox.stop("output_limit")
        if sandbox.fileno() in ready:
            end = sandbox.end(GRACE_SECONDS)
            if end is None:
                raise SandboxLost("the sandbox sent nothing")
            out.drain()
            errors.drain()
            return end
