"""Running the jobs of a study as processes: several at a time, each on cores of its own."""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from reasoning_jax.studies.plan import Job

_TAIL_LINES = 15
# What a run writes anew at its end, or holds only while it runs.
_NOT_COPIED = ("model", "adapter", "report.html", "lock")


@dataclasses.dataclass
class _Running:
    job: Job
    process: subprocess.Popen
    slot: int
    log: IO[bytes]
    claim: IO[str]
    started: float


def run_jobs(
    jobs: Sequence[Job],
    prefix: Sequence[str],
    parallel: int,
    tell: Callable[[str], None],
) -> dict[str, str]:
    """Runs what has not finished yet; name -> why, of the jobs that failed.

    A job that failed or was cut off before goes on from its last checkpoint. One that another
    study is running, a warm-up that both share, is waited for. When the caller is interrupted,
    the running ones are asked to end, which leaves checkpoints.

    Args:
      prefix: words before the command, such as ``nice`` or ``srun --ntasks=1``.
      parallel: most jobs at once; each gets an equal share of the cores.
      tell: takes a line for the user.

    Raises:
      ValueError: a run that has begun had other flags.
    """
    for job in jobs:
        _check_unchanged(job)
    by_name = {job.name: job for job in jobs}
    waiting = [job for job in jobs if not is_finished(job)]
    if len(waiting) < len(jobs):
        tell(f"{len(jobs) - len(waiting)} of {len(jobs)} runs are finished already")
    slots = _core_slots(parallel)
    free, running, failures = list(range(parallel)), [], {}
    try:
        while waiting or running:
            for job in [job for job in waiting if job.begins_with in failures]:
                waiting.remove(job)
                failures[job.name] = f"it begins with {job.begins_with}, which failed"
            for job in [job for job in waiting if _is_ready(job, by_name)]:
                if not free or (claim := _claim(job)) is None:
                    continue
                waiting.remove(job)
                if is_finished(job):  # by another study, meanwhile
                    claim.close()
                    continue
                slot = free.pop(0)
                first = by_name.get(job.begins_with)
                running.append(_start(job, first, prefix, slots[slot], slot, claim))
                tell(f"{job.name}: started")
            for one in list(running):
                outcome = _reap(one)
                if outcome is None:
                    continue
                running.remove(one)
                free.append(one.slot)
                if outcome["returncode"]:
                    failures[one.job.name] = _tail(one.job, outcome["returncode"])
                    tell(f"{one.job.name}: FAILED\n{failures[one.job.name]}")
                else:
                    tell(
                        f"{one.job.name}: done in {outcome['seconds']:.0f} s, "
                        f"{outcome['cpu_seconds']:.0f} CPU-seconds; {len(waiting)} wait"
                    )
            time.sleep(0.1)
    finally:
        for one in running:
            # A second signal would end it at once: its own session keeps Ctrl-C away from it.
            one.process.send_signal(signal.SIGTERM)
        for one in running:
            _reap(one, block=True)
    return failures


def is_finished(job: Job) -> bool:
    """Whether the job's last attempt ended well."""
    attempts = _record(job)["attempts"]
    return bool(attempts) and attempts[-1]["returncode"] == 0


def cpu_seconds(job: Job) -> float:
    """CPU time of all attempts of a job, its worker processes included."""
    return sum(attempt["cpu_seconds"] for attempt in _record(job)["attempts"])


def _is_ready(job: Job, jobs: Mapping[str, Job]) -> bool:
    return not job.begins_with or is_finished(jobs[job.begins_with])


def _claim(job: Job) -> IO[str] | None:
    """A lock on the job, held until it is closed; None where another study has it."""
    job.workdir.parent.mkdir(parents=True, exist_ok=True)
    file = open(_beside(job, ".claim"), "w")  # noqa: SIM115  (held open: closing gives it up)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _start(
    job: Job,
    first: Job | None,
    prefix: Sequence[str],
    cores: set[int],
    slot: int,
    claim: IO[str],
) -> _Running:
    if first is not None and not job.workdir.exists():
        _copy_run(first.workdir, job.workdir)
    _write_record(job, _record(job))
    log = open(_beside(job, ".log"), "ab")  # noqa: SIM115  (closed when the process is reaped)
    command = [*prefix, sys.executable, "-m", "launch.train", *job.flags]
    command.append(f"--workdir={job.workdir}")
    with _on_cores(cores):
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    return _Running(job, process, slot, log, claim, time.monotonic())


def _reap(one: _Running, block: bool = False) -> dict[str, Any] | None:
    """The outcome of an attempt that has ended, written to its record; None while it runs."""
    pid, status, usage = os.wait4(one.process.pid, 0 if block else os.WNOHANG)
    if pid == 0:
        return None
    one.process.returncode = os.waitstatus_to_exitcode(status)
    one.log.close()
    outcome = {
        "returncode": one.process.returncode,
        "seconds": round(time.monotonic() - one.started, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
    }
    record = _record(one.job)
    _write_record(one.job, {**record, "attempts": [*record["attempts"], outcome]})
    one.claim.close()
    return outcome


def _copy_run(source: pathlib.Path, target: pathlib.Path) -> None:
    unfinished = target.with_name(target.name + ".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    unfinished.rename(target)


def _check_unchanged(job: Job) -> None:
    before = _record(job)["identity"]
    if before != job.identity:
        raise ValueError(
            f"{job.name} was begun with {before}, but the study now says {job.identity}; use a new "
            f"folder, or delete {job.workdir} and {_beside(job, '.json')}"
        )


def _record(job: Job) -> Mapping[str, Any]:
    path = _beside(job, ".json")
    fresh = {"identity": job.identity, "flags": job.flags, "attempts": []}
    return json.loads(path.read_text()) if path.exists() else fresh


def _write_record(job: Job, record: Mapping[str, Any]) -> None:
    unfinished = _beside(job, ".json.tmp")
    unfinished.write_text(json.dumps(record, indent=2) + "\n")
    unfinished.replace(_beside(job, ".json"))


def _beside(job: Job, suffix: str) -> pathlib.Path:
    return job.workdir.with_name(job.workdir.name + suffix)


def _tail(job: Job, returncode: int) -> str:
    lines = _beside(job, ".log").read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join([f"exit code {returncode}; the end of {_beside(job, '.log')}:", *lines])


def _core_slots(parallel: int) -> list[set[int]]:
    """The cores of each of so many jobs: disjoint shares, or all of them where there are fewer."""
    if not hasattr(os, "sched_getaffinity"):
        return [set()] * parallel
    cores = sorted(os.sched_getaffinity(0))
    if parallel > len(cores):
        return [set(cores)] * parallel
    return [set(cores[slot::parallel]) for slot in range(parallel)]


@contextlib.contextmanager
def _on_cores(cores: set[int]) -> Iterator[None]:
    """Children started inside inherit these cores, and count their devices by them."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
