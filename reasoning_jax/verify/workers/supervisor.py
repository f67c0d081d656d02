"""The thread that hands checks to workers, and ends and replaces those that hang or crash."""

import collections
import contextlib
import dataclasses
import json
import os
import pickle
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from reasoning_jax.types import Verdict
from reasoning_jax.verify.workers.channel import Channel, pair

# For an interpreter to start, to import what checks need, to fork or to kill: longer is stuck.
_STUCK_SECONDS = 60.0
# Zygotes that may end one after another with no worker ever ready, before the pool gives up.
_ATTEMPTS = 3
_ZYGOTE = "reasoning_jax.verify.workers.zygote"


@dataclasses.dataclass
class Job:
    """One check on its way.

    Attributes:
      module, function: dotted names; ``args`` are pickled.
      done: called once in the supervisor's thread with the verdict and what went wrong, if any;
        or with an exception when there can be no worker at all.
    """

    module: str
    function: str
    args: bytes
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    done: Callable[[Verdict | Exception, str], None]


@dataclasses.dataclass
class _Worker:
    channel: Channel
    known: set[str]  # modules that it has prepared
    job: Job | None = None
    deadline: float = float("inf")
    ready: bool = False
    leaving: bool = False  # gets no further job
    pid: int | None = None


class Supervisor(threading.Thread):
    """Runs jobs on at most so many workers until it is stopped; started by its first job."""

    def __init__(self, processes: int):
        super().__init__(name="verification", daemon=True)
        self._processes = processes
        self._inbox: collections.deque[Job] = collections.deque()
        self._wake, self._waker = pair()
        self._stopping = False
        # All that follows belongs to the thread.
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, self._woken)
        self._queue: collections.deque[Job] = collections.deque()
        self._zygote: subprocess.Popen | None = None
        self._control: Channel | None = None
        self._workers: dict[int, _Worker] = {}
        self._forks = 0
        self._prepared: set[str] = set()  # by this zygote, or asked of it
        self._preparing: dict[str, float] = {}  # module -> when it must be done
        self._refused: set[str] = set()  # modules whose import ended a zygote
        self._failures = 0
        self._broken: Exception | None = None

    def put(self, job: Job) -> None:
        """Takes a job from any thread."""
        self._inbox.append(job)
        self._signal()
        if self._broken is not None:
            self._abandon(self._broken)

    def stop(self) -> None:
        """Kills the workers, gives what is unfinished up as "closed", and ends the thread."""
        self._stopping = True
        self._signal()
        if threading.current_thread() is not self:
            self.join()

    def pids(self) -> list[int]:
        """Process ids of the zygote and its workers, as far as known."""
        zygote = self._zygote
        workers = [worker.pid for worker in list(self._workers.values()) if worker.pid]
        return [zygote.pid, *workers] if zygote is not None else []

    def release(self) -> None:
        """Closes this process's copies of the descriptors, in a fork that has no such thread."""
        for channel in (self._control, *(worker.channel for worker in self._workers.values())):
            if channel is not None:
                channel.close()
        self._wake.close()
        self._waker.close()
        self._selector.close()

    def run(self) -> None:
        """The loop; whatever ends it, no job is left without an answer."""
        outcome: Verdict | Exception = Verdict(None, "closed")
        try:
            while not self._stopping:
                self._assign()
                for key, _ in self._selector.select(self._seconds_to_deadline()):
                    key.data()
                self._expire()
        except Exception as error:
            self._broken = outcome = error  # for whoever waits, and whoever comes
        finally:
            self._end_zygote()
            self._abandon(outcome)
            for end in (self._selector, self._wake, self._waker):
                end.close()

    def _abandon(self, outcome: Verdict | Exception) -> None:
        running = []
        for worker in self._workers.values():
            if worker.job is not None:
                running.append(worker.job)
                worker.job = None
        self._inbox.extendleft(reversed((*running, *self._queue)))
        self._queue.clear()
        while True:
            try:
                job = self._inbox.popleft()
            except IndexError:
                return
            job.done(outcome, "")

    def _signal(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(b"1", socket.MSG_DONTWAIT)

    def _woken(self) -> None:
        self._wake.recv(1 << 12)

    # Handing out jobs

    def _assign(self) -> None:
        while self._inbox:
            self._queue.append(self._inbox.popleft())
        while self._queue:
            number = self._free_worker(self._queue[0].module)
            if number is None:
                return
            self._give(number, self._queue.popleft())

    def _free_worker(self, module: str) -> int | None:
        """An idle worker that has prepared the module, or a fresh one."""
        idle = {n: w for n, w in self._workers.items() if w.job is None and not w.leaving}
        for number, worker in idle.items():
            if module in worker.known or module in self._refused:
                return number
        if len(self._workers) < self._processes:
            if self._failures >= _ATTEMPTS:
                self._give_up()
                return None
            if self._control is None:
                self._start_zygote()
            self._prepare(module)
            return self._fork()
        # The zygote imports a module once, and its forks share it: one of them comes instead.
        for worker in idle.values():
            worker.channel.finish()
            worker.leaving, worker.deadline = True, time.monotonic() + _STUCK_SECONDS
            break
        return None

    def _give(self, number: int, job: Job) -> None:
        worker = self._workers[number]
        worker.job = job
        allowed = job.wall_seconds
        if not worker.ready or job.module not in worker.known:
            allowed += _STUCK_SECONDS
        worker.deadline = time.monotonic() + allowed
        message = pickle.dumps(
            (sys.path, job.module, job.function, job.args, job.cpu_seconds, job.memory_bytes)
        )
        # A worker that is gone or does not read is noticed by its end or its deadline.
        with contextlib.suppress(OSError):
            worker.channel.send(message)

    def _give_up(self) -> None:
        error = RuntimeError(
            f"verification workers cannot be started: `{sys.executable} -m {_ZYGOTE}` ended "
            f"{_ATTEMPTS} times before one was ready; what it said is above"
        )
        for job in self._queue:
            job.done(error, "")
        self._queue.clear()
        self._failures = 0

    # The zygote

    def _start_zygote(self) -> None:
        ours, theirs = pair()
        # One thread each, so that forking is safe and address space small; equal hashes, so that
        # no verdict depends on the order of a set.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(path) or os.getcwd() for path in sys.path),
            "PYTHONHASHSEED": "0",
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }
        self._zygote = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "reasoning_jax.verify.workers.zygote",
                str(theirs.fileno()),
            ],
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._control = Channel(ours)
        self._prepared = set()
        self._selector.register(ours, selectors.EVENT_READ, self._hear_zygote)

    def _prepare(self, module: str) -> None:
        if module in self._prepared or module in self._refused:
            return
        self._prepared.add(module)
        self._preparing[module] = time.monotonic() + _STUCK_SECONDS
        self._command({"prepare": module, "path": list(map(str, sys.path))})

    def _fork(self) -> int:
        ours, theirs = pair()
        ours.settimeout(_STUCK_SECONDS)
        number, self._forks = self._forks, self._forks + 1
        worker = _Worker(Channel(ours), known=set(self._prepared))
        self._workers[number] = worker
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear_worker(number))
        self._command({"fork": number}, [theirs.fileno()])
        theirs.close()
        return number

    def _command(self, message: dict, descriptors: tuple | list = ()) -> None:
        # That the zygote is gone is noticed where its messages are read.
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(message).encode(), descriptors)

    def _hear_zygote(self) -> None:
        try:
            messages = self._control.receive()
        except EOFError:
            self._lose_zygote()
            return
        for message in map(json.loads, messages):
            if "prepared" in message:
                self._preparing.pop(message["prepared"], None)
            elif "forked" in message:
                self._workers[message["forked"]].pid = message["pid"]
            else:
                self._bury(message["exited"], message["signal"])

    def _lose_zygote(self) -> None:
        """Workers go with the zygote; what had not begun is kept for the next one."""
        self._refused |= set(self._preparing)
        self._end_zygote()
        workers, self._workers = self._workers, {}
        if not any(worker.ready for worker in workers.values()):
            self._failures += 1
        for worker in workers.values():
            job = worker.job
            worker.channel.close()
            if worker.pid is not None:
                # Not every kernel has ended it, and none what it started.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(worker.pid, signal.SIGKILL)
            if job is None:
                continue
            if worker.ready:
                job.done(Verdict(None, "crash"), "the process that starts workers ended")
            else:
                self._queue.appendleft(job)

    def _end_zygote(self) -> None:
        """Closes the zygote's control, upon which it kills its workers and ends."""
        for worker in self._workers.values():
            self._forget(worker)
        if self._control is None:
            return
        self._selector.unregister(self._control)
        self._control.close()
        try:
            self._zygote.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._zygote.kill()
            self._zygote.wait()
        self._control = self._zygote = None
        self._preparing.clear()

    # The workers

    def _hear_worker(self, number: int) -> None:
        worker = self._workers.get(number)
        if worker is None:
            return  # buried a moment ago
        try:
            messages = worker.channel.receive()
        except EOFError:
            # It is ending, or has closed a descriptor that it should not have.
            self._forget(worker)
            self._kill(number, worker)
            return
        self._take(worker, messages)

    def _take(self, worker: _Worker, messages: list[bytes]) -> None:
        for message in messages:
            if not worker.ready:
                worker.ready, self._failures = True, 0
                if worker.job is not None and worker.job.module in worker.known:
                    worker.deadline = time.monotonic() + worker.job.wall_seconds
                continue
            answer = json.loads(message)
            worker.leaving |= not answer["stays"]
            if worker.job is not None:
                job, worker.job, worker.deadline = worker.job, None, float("inf")
                worker.known.add(job.module)
                job.done(Verdict(**answer["verdict"]), answer["detail"])

    def _kill(self, number: int, worker: _Worker) -> None:
        worker.leaving, worker.deadline = True, time.monotonic() + _STUCK_SECONDS
        self._command({"kill": number})

    def _forget(self, worker: _Worker) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.channel)

    def _bury(self, number: int, killed_by: int | None) -> None:
        """A worker has ended: its last words, or the verdict they would have been."""
        worker = self._workers.pop(number)
        self._forget(worker)
        with contextlib.suppress(EOFError):
            while select.select([worker.channel], [], [], 0)[0]:
                self._take(worker, worker.channel.receive())
        worker.channel.close()
        if worker.job is None:
            return
        if killed_by == signal.SIGPROF:
            worker.job.done(Verdict(None, "timeout"), "CPU time")
        else:
            how = "it exited" if killed_by is None else signal.Signals(killed_by).name
            worker.job.done(Verdict(None, "crash"), how)

    # Time

    def _seconds_to_deadline(self) -> float | None:
        deadlines = [worker.deadline for worker in self._workers.values()]
        first = min((*deadlines, *self._preparing.values()), default=float("inf"))
        return None if first == float("inf") else max(0.0, first - time.monotonic())

    def _expire(self) -> None:
        now = time.monotonic()
        stuck = any(deadline < now for deadline in self._preparing.values())
        for number, worker in self._workers.items():
            if worker.deadline >= now:
                continue
            stuck |= worker.leaving or not worker.ready  # neither killed nor forked by now
            job, worker.job = worker.job, None
            self._kill(number, worker)
            if job is not None:
                job.done(Verdict(None, "timeout"), "wall time")
        if stuck:
            self._zygote.kill()
