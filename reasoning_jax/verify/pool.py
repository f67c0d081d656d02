"""The pool: checks in, verdicts out, worked out by killable processes.

    with Pool(processes=2) as pool:
        future = pool.submit(Check(function, args))
        future.result()                             # a Verdict, whatever the function did
    default_pool().run(check)                       # one pool for all of a process

Reasons of verdicts that are not the function's own: "timeout" (CPU or wall time), "memory",
"crash" (the worker ended), "error:<Type>" (it raised) and "closed"; ``correct`` is None in all.
"""

import atexit
import collections
import contextlib
import functools
import hashlib
import logging
import os
import pickle
import threading
import weakref
from concurrent.futures import Future

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.workers.supervisor import Job, Supervisor

_LOG = logging.getLogger(__name__)
_POOLS: weakref.WeakSet = weakref.WeakSet()


class Pool:
    """Worker processes that run checks; costs nothing until the first one is submitted.

    Use it from any thread; a forked child gets workers of its own. Workers are started as they
    are needed, and end with the pool or with its process, however that ends.

    Args:
      processes: most workers at once; 0 is one for every core this process may use.
      queued: most checks not finished; beyond it ``submit`` waits.
      cached: most verdicts remembered. A verdict without ``correct`` is not.
    """

    def __init__(self, processes: int = 0, queued: int = 10_000, cached: int = 100_000):
        if processes < 0 or queued < 1 or cached < 0:
            raise ValueError(
                f"Pool(processes={processes}, queued={queued}, cached={cached}): processes and "
                "cached must be at least 0, queued at least 1"
            )
        self._processes, self._queued, self._cached = processes or _cores(), queued, cached
        self._closed = False
        self._counts: collections.Counter[str] = collections.Counter()
        self._cache: collections.OrderedDict[bytes, Verdict] = collections.OrderedDict()
        self._begin()
        _POOLS.add(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._room = threading.BoundedSemaphore(self._queued)
        self._supervisor: Supervisor | None = None
        self._waiting: dict[bytes, list[Future]] = {}
        self._reported: set[str] = set()

    def submit(self, check: Check) -> "Future[Verdict]":
        """Has a check worked out; equal checks on their way are worked out once.

        Waits while ``queued`` checks are unfinished. The future cannot be cancelled.

        Raises:
          ValueError: a check that cannot travel to a worker, or a limit that is not positive.
          RuntimeError: the pool is closed. The future's own RuntimeError: no worker can start.
        """
        function = check.function
        args = _pack(check)
        key = hashlib.blake2b(
            f"{function.__module__}:{function.__qualname__}:".encode() + args, digest_size=16
        ).digest()
        future: Future[Verdict] = Future()
        future.set_running_or_notify_cancel()
        supervisor = self._supervisor
        # A callback runs in the supervisor's thread, which alone makes room: it must not wait.
        if threading.current_thread() is not supervisor:
            self._room.acquire()
        with self._lock:
            if self._closed:
                self._make_room()
                raise RuntimeError("this verification pool is closed; make a new one")
            known = self._cache.get(key)
            if known is not None:
                self._cache.move_to_end(key)
            elif key in self._waiting:
                self._waiting[key].append(future)
            else:
                self._waiting[key] = [future]
                if self._supervisor is None:
                    self._supervisor = Supervisor(self._processes)
                    self._supervisor.start()
                self._supervisor.put(
                    Job(
                        function.__module__,
                        function.__qualname__,
                        args,
                        check.cpu_seconds,
                        check.wall_seconds,
                        check.memory_bytes,
                        functools.partial(self._done, key, function.__qualname__),
                    )
                )
        if known is not None:
            self._deliver([future], known)
        return future

    def run(self, check: Check) -> Verdict:
        """Has a check worked out and waits for it."""
        return self.submit(check).result()

    @property
    def counts(self) -> collections.Counter:
        """How many verdicts were given, by reason; those from the cache too."""
        with self._lock:
            return self._counts.copy()

    def pids(self) -> list[int]:
        """Ids of the processes that this pool has running, as far as they are known."""
        supervisor = self._supervisor
        return supervisor.pids() if supervisor else []

    def close(self) -> None:
        """Ends the workers at once; checks not finished get a verdict with reason "closed"."""
        with self._lock:
            self._closed, supervisor = True, self._supervisor
            self._supervisor = None
        if supervisor is not None:
            supervisor.stop()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _done(self, key: bytes, name: str, outcome: Verdict | Exception, detail: str) -> None:
        with self._lock:
            waiting = self._waiting.pop(key)
            if isinstance(outcome, Verdict) and outcome.correct is not None:
                self._cache[key] = outcome
                while len(self._cache) > self._cached:
                    self._cache.popitem(last=False)
        if detail:
            self._report(name, outcome, detail)
        self._deliver(waiting, outcome)

    def _deliver(self, futures: list[Future], outcome: Verdict | Exception) -> None:
        if isinstance(outcome, Verdict):
            with self._lock:
                self._counts[outcome.reason] += len(futures)
        for future in futures:
            self._make_room()
            if isinstance(outcome, Verdict):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _make_room(self) -> None:
        # What was submitted from a callback took no room.
        with contextlib.suppress(ValueError):
            self._room.release()

    def _report(self, name: str, verdict: Verdict, detail: str) -> None:
        kind = f"{name}: {verdict.reason}"
        if kind not in self._reported:
            self._reported.add(kind)
            _LOG.warning("check %s (%s); more of its kind are only counted", kind, detail)

    def _after_fork(self) -> None:
        """In a forked child: there is no thread, and the workers are the parent's."""
        if self._supervisor is not None:
            self._supervisor.release()
        self._begin()


def default_pool() -> Pool:
    """The pool that everything in this process shares; closed when the process ends."""
    return _default()


@functools.cache
def _default() -> Pool:
    pool = Pool()
    atexit.register(pool.close)
    return pool


def failed(verdict: Verdict) -> bool:
    """Whether a verdict is missing because its check failed, not because of what it was asked."""
    return verdict.correct is None and (
        verdict.reason in ("timeout", "memory", "crash", "closed")
        or verdict.reason.startswith("error:")
    )


def _pack(check: Check) -> bytes:
    """The pickled arguments, once it is sure that a worker will find the function by its name."""
    function = check.function
    limits = (check.cpu_seconds, check.wall_seconds, check.memory_bytes)
    if min(limits) <= 0:
        raise ValueError(f"limits of a check must be positive, got {limits}")
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or module == "__main__" or "<" in name or not name:
        raise ValueError(
            f"{function!r} cannot be a check: a worker imports it by name, so it must be defined "
            "at the top level of a module that can be imported"
        )
    try:
        return pickle.dumps(check.args)
    except Exception as error:
        raise ValueError(f"arguments of check {module}.{name} do not pickle: {error}") from error


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _reset_after_fork() -> None:
    for pool in list(_POOLS):
        pool._after_fork()


os.register_at_fork(after_in_child=_reset_after_fork)
