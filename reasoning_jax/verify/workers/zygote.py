"""The zygote: a small process of one thread that has imported what checks need and forks workers.

A program that holds accelerators and threads must not fork, and a fresh interpreter would take
seconds of imports for every worker killed; a fork of the zygote takes milliseconds.

Messages to it are JSON: {"prepare": module, "path": sys.path}, {"fork": id} with a descriptor,
{"kill": id}. Its own are {"prepared": module, "error": text or null}, {"forked": id, "pid": pid}
and {"exited": id, "signal": number or null}. It ends, with all workers, when the other end closes.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback

from reasoning_jax.verify.workers import worker
from reasoning_jax.verify.workers.channel import Channel

_SECONDS = 1.0  # between looks whether the parent lives, should its socket have leaked elsewhere
_END_SECONDS = 3.0  # for all processes to be gone at the end
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # of linux/prctl.h


def main(descriptor: int) -> None:
    """Serves the pool at the other end of a socket until that is closed."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the thread that started this may block some
    os.set_inheritable(descriptor, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what workers leave behind becomes a child of this process
    _Zygote(Channel(socket.socket(fileno=descriptor)), os.getppid()).run()


class _Zygote:
    def __init__(self, control: Channel, parent: int):
        self._control, self._parent = control, parent
        self._prepared: set[str] = set()
        self._workers: dict[int, int] = {}  # pid -> id
        self._helpers: set[int] = set()  # other children, left by preparations
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        # An interrupted select is repeated by Python unless a handler writes to the pipe.
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._waker = waker

    def run(self) -> None:
        try:
            while os.getppid() == self._parent:
                ready, *_ = select.select([self._control, self._woken], [], [], _SECONDS)
                if self._woken in ready:
                    os.read(self._woken, 1 << 12)
                    self._reap()
                if self._control in ready:
                    for message in self._control.receive():
                        self._obey(json.loads(message))
        except (EOFError, OSError):
            pass  # the pool is closed, or its process is gone
        finally:
            self._end()

    def _obey(self, message: dict) -> None:
        if "prepare" in message:
            sys.path[:] = message["path"]
            self._prepare(message["prepare"])
        elif "fork" in message:
            self._fork(message["fork"])
        else:
            for pid, number in self._workers.items():
                if number == message["kill"]:
                    _kill(pid)

    def _prepare(self, module: str) -> None:
        error = None
        try:
            worker.prepare(module)
            self._prepared.add(module)
        except BaseException as failure:
            error = "".join(traceback.format_exception_only(failure)).strip()
        self._helpers = _children() - self._workers.keys()
        gc.collect()
        gc.freeze()  # what is imported stays shared between the workers
        self._tell({"prepared": module, "error": error})

    def _fork(self, number: int) -> None:
        end = socket.socket(fileno=self._control.descriptors.popleft())
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._become_worker(end, zygote)
            finally:
                os._exit(0)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # as the worker does itself: whoever is first
        end.close()
        self._workers[pid] = number
        self._tell({"forked": number, "pid": pid})

    def _become_worker(self, end: socket.socket, zygote: int) -> None:
        worker.detach()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != zygote:
            return
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (self._woken, self._waker):
            os.close(descriptor)
        self._control.close()
        worker.serve(Channel(end), self._prepared)

    def _reap(self) -> None:
        """Buries the dead, and kills what they started and left behind."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid in self._workers:
                    _kill(pid)
                    how = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
                    self._tell({"exited": self._workers.pop(pid), "signal": how})
        _kill_each(_children() - self._workers.keys() - self._helpers)

    def _end(self) -> None:
        for pid in self._workers:
            _kill(pid)
        until = time.monotonic() + _END_SECONDS
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < until:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    _kill_each(_children())
                    time.sleep(0.002)

    def _tell(self, message: dict) -> None:
        self._control.send(json.dumps(message).encode())


def _kill(pid: int) -> None:
    """Kills a worker with its whole process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _kill_each(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _children() -> set[int]:
    """This process's children; none where the kernel does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return set(map(int, file.read().split()))
    except OSError:
        return set()


def _prctl(option: int, value: int) -> None:
    """Asks Linux for something; elsewhere workers are killed by their group alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
