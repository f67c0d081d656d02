"""A running sandbox, seen from outside: starts one program at a time and hears of its end."""

import array
import contextlib
import dataclasses
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from reasoning_jax.verify.programs import policy
from reasoning_jax.verify.programs.errors import IsolationError, SandboxLost
from reasoning_jax.verify.programs.limits import Limits

START_SECONDS = 60.0  # until a zygote answers, on a loaded machine
GRACE_SECONDS = 120.0  # until it has ended a program and emptied its folder


@dataclasses.dataclass(frozen=True)
class End:
    """How a program ended.

    Attributes:
      code: exit status; the negative signal number when one killed it.
      why: the bound it broke ("timeout", "memory", ...), or "".
      cpu_seconds: of all its processes.
    """

    code: int
    why: str
    cpu_seconds: float


class Sandbox:
    """One warm zygote at an isolation level. Not thread-safe: one user at a time.

    Attributes:
      level: one of `policy.LEVELS`, as given.
      busy: a program runs in it.

    Raises:
      IsolationError: when it does not start, with what it said.
    """

    def __init__(self, level: str):
        self.level = level
        self._owner = os.getpid()
        self.busy = False
        if sys.platform != "linux":
            raise IsolationError(f"programs run on Linux only, not on {sys.platform}")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        try:
            self._start(theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def _start(self, theirs: socket.socket) -> None:
        start = policy.plan(self.level, theirs.fileno())
        self._folder = start.folder
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                start.argv,
                env=start.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
            )
            theirs.close()
            try:
                message = self._receive(START_SECONDS)
            except SandboxLost:
                message = None
            if not message:
                self._process.kill()
                self._process.wait()
                self._remove_folder()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip()[-500:]
                raise IsolationError(f"the {self.level} sandbox does not start: {said}")

    @property
    def usable(self) -> bool:
        """Whether it is of this process, alive, and free for the next program."""
        return self._owner == os.getpid() and not self.busy and self._process.poll() is None

    def fileno(self) -> int:
        """What to poll for the end of the program."""
        return self._control.fileno()

    def start(
        self, job: dict[str, Any], limits: Limits, fds: Sequence[int], session: bool = False
    ) -> None:
        """Starts a program.

        Args:
          job: what `inside.jobs` shall run; travels in memory, so its size does not matter.
          limits: its bounds; those of time by the clock are for the caller to watch.
          fds: up to five descriptors that become its 0, 1, 2, 3, 4; the caller's own stay open.
          session: the CPU bound is for one call, begun by `renew`, not for the whole.
        """
        request = {"op": "start", "limits": dataclasses.asdict(limits) | {"session": session}}
        with memory_file(json.dumps(job).encode()) as payload:
            self._send(request, (payload, *fds))
        self.busy = True

    def renew(self) -> None:
        """Begins a call of a session: its CPU bound counts from here."""
        self._send({"op": "renew"})

    def kill(self, why: str) -> None:
        """Kills the program and all it started; `End.why` will be `why`."""
        self._send({"op": "kill", "why": why})

    def end(self, timeout: float) -> End | None:
        """The end of the program, or None when it still runs after `timeout` seconds.

        Its processes are gone and its folder is empty by then. SandboxLost when it never ran.
        """
        message = self._receive(timeout)
        if message is None:
            return None
        self.busy = False
        end = End(message["end"]["code"], message["end"]["why"], message["end"]["cpu"])
        if end.why == "unconfined":
            raise SandboxLost(f"the {self.level} sandbox could not confine its program")
        return end

    def stop(self, why: str) -> End:
        """Kills the program and waits for its end."""
        with contextlib.suppress(SandboxLost):
            self.kill(why)
        end = self.end(GRACE_SECONDS)
        if end is None:
            self.close()
            raise SandboxLost(f"the {self.level} sandbox does not end its program")
        return end

    def close(self) -> None:
        """Ends the sandbox and everything in it. In a forked copy, only lets go of it."""
        self._control.close()
        if self._owner != os.getpid():
            return
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, request: dict[str, Any], fds: Sequence[int] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._control.sendmsg([json.dumps(request).encode()], rights)
        except OSError as error:
            raise SandboxLost(f"the {self.level} sandbox is gone") from error

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + timeout
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        try:
            data = self._control.recv(1 << 16)
        except OSError as error:
            raise SandboxLost(f"the {self.level} sandbox is gone") from error
        if not data:
            raise SandboxLost(f"the {self.level} sandbox is gone")
        return json.loads(data)


@contextlib.contextmanager
def memory_file(content: bytes):
    """A descriptor of an unnamed file in memory that holds `content`, at its beginning."""
    fd = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
