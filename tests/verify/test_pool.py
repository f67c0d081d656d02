"""The pool against checks that hang, swell, crash, raise or lie, and against its own death."""

import collections
import contextlib
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import checks
import checks_fatal_to_import
import checks_with_preparation
import pytest

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.pool import Pool, default_pool, failed
from reasoning_jax.verify.workers import supervisor

TESTS = pathlib.Path(checks.__file__).parent


@pytest.fixture(scope="module")
def pool():
    with Pool(processes=2) as shared:
        yield shared


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried yet does not."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        stat = pathlib.Path(f"/proc/{pid}/stat")
        try:
            return not stat.parent.parent.is_dir() or stat.read_text().rpartition(")")[2][1] != "Z"
        except OSError:
            return False
    return False


def gone(pids) -> bool:
    """Waits for processes to end."""
    until = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(map(alive, pids))


def script(code: str, **options) -> subprocess.Popen:
    """A process without pytest and jax, as others would use the pool."""
    path = os.pathsep.join([str(TESTS), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Check(checks.spin, (1e9,), cpu_seconds=0.2), "timeout"),
        (Check(checks.endless_power, (0,), cpu_seconds=0.2), "timeout"),
        (Check(checks.sleep, (1e9,), wall_seconds=0.2), "timeout"),
        (Check(checks.stop, (0,), wall_seconds=0.2), "timeout"),
        (Check(checks.allocate, (1 << 30,), memory_bytes=64 << 20), "memory"),
        (Check(checks.leave, (0,)), "crash"),
        (Check(checks.leave, (1,)), "crash"),
        (Check(checks.die, (signal.SIGSEGV,)), "crash"),
        (Check(checks.die, (signal.SIGKILL,)), "crash"),
        (Check(checks.close_descriptors, (0,)), "crash"),
        (Check(checks.overflow_stack, (0,)), "error:RecursionError"),
        (Check(checks.fail, ("no",)), "error:ZeroDivisionError"),
        (Check(checks.leave_politely, (0,)), "error:SystemExit"),
        (Check(checks.not_a_verdict, (0,)), "error:TypeError"),
        (Check(checks.unpicklable, (0,)), "error:TypeError"),
        (Check(checks_fatal_to_import.never, (0,)), "crash"),
    ],
    ids=lambda value: value.function.__name__ if isinstance(value, Check) else value,
)
def test_each_failure_has_its_verdict_and_the_next_check_works(pool, check, reason):
    before = pool.counts[reason]
    verdict = pool.run(check)
    assert verdict == Verdict(None, reason) and failed(verdict)
    assert pool.counts[reason] == before + 1
    assert pool.run(Check(checks.equal, (1, 1))).correct is True
    assert pool.run(Check(checks.equal, (1, 2))).correct is False


def test_what_cannot_be_judged_is_no_failure():
    assert not failed(Verdict(None, "unparsed_gold"))
    assert not failed(Verdict(False, "timeout")) and failed(Verdict(None, "timeout"))


def test_limits_of_one_check_leave_room_for_the_next(pool):
    assert pool.run(Check(checks.allocate, (8 << 20,), memory_bytes=64 << 20)).correct
    assert pool.run(Check(checks.allocate, (256 << 20,), memory_bytes=1 << 30)).correct
    # Each check has its own CPU time, not the worker all its life.
    for i in range(4):
        assert pool.run(Check(checks.sleep, (0.01, i), cpu_seconds=0.5)).correct


def test_a_worker_that_keeps_memory_is_replaced():
    with Pool(processes=1) as single:
        small = [single.run(Check(checks.keep, (i,))).extracted for i in (1, 2)]
        large = [single.run(Check(checks.keep, (i << 20,))).extracted for i in (100, 101)]
    assert small[0] == small[1] == large[0] != large[1]


def test_workers_know_nothing_of_jax(pool):
    assert pool.run(Check(checks.imported, ("reasoning_jax.verify",))).correct is True
    assert pool.run(Check(checks.imported, ("jax",))).correct is False


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="no /proc")
def test_programs_started_by_a_check_inherit_no_channel(pool):
    # 3 is the listing's own.
    assert pool.run(Check(checks.open_in_a_program, (0,))).extracted == "['3']"


def test_a_module_prepares_once_before_its_first_check(pool):
    assert pool.run(Check(checks_with_preparation.prepared, (0,))).correct is True
    with Pool(processes=1) as fresh:
        assert fresh.run(Check(checks_with_preparation.prepared, (0,))).correct is True


def test_a_module_that_comes_late_is_imported_once_for_all_workers(tmp_path, monkeypatch):
    with Pool(processes=1) as single:
        first = single.run(Check(checks.pid, (0,)))
        (tmp_path / "late_checks.py").write_text(
            "import os\nfrom reasoning_jax.types import Verdict\nIMPORTED_BY = os.getpid()\n"
            "def by(_): return Verdict(IMPORTED_BY != os.getpid(), 'imported', str(IMPORTED_BY))\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        late = importlib.import_module("late_checks")
        verdict = single.run(Check(late.by, (0,)))
        assert verdict.correct and int(verdict.extracted) == single.pids()[0]
        second = single.run(Check(checks.pid, (1,)))
        assert second.extracted != first.extracted
        assert single.run(Check(late.by, (1,))).extracted == verdict.extracted
        assert single.run(Check(checks.pid, (2,))).extracted == second.extracted


def test_equal_checks_are_worked_out_once(pool):
    verdicts = [pool.submit(Check(checks.sleep, (0.3, 7))) for _ in range(20)]
    started = time.process_time()
    assert all(verdict.result().correct for verdict in verdicts)
    first = pool.run(Check(checks.pid, (1,)))
    assert {pool.run(Check(checks.pid, (1,))) for _ in range(10)} == {first}
    assert time.process_time() - started < 5
    # Equal keys of a dict, but not the same text.
    assert pool.run(Check(checks.equal, (1, 1))).extracted == "1"
    assert pool.run(Check(checks.equal, (True, 1))).extracted == "True"


def test_a_failure_is_tried_again(tmp_path):
    with Pool(processes=1) as single:
        assert single.run(Check(checks.crash_once, (str(tmp_path / "ran"),))).reason == "crash"
        assert single.run(Check(checks.crash_once, (str(tmp_path / "ran"),))).correct is True


def test_the_cache_forgets_the_oldest():
    with Pool(processes=1, cached=2) as single:
        counted = [single.run(Check(checks.count, (i,))).extracted for i in (1, 2, 1, 3, 1, 2)]
    assert counted == ["0", "1", "0", "2", "0", "3"]


def test_many_threads_share_a_pool(pool):
    def use(i: int) -> bool:
        if i % 50 == 0:
            return pool.run(Check(checks.leave, (i,))).reason == "crash"
        return pool.run(Check(checks.equal, (i % 7, i % 3))).correct == (i % 7 == i % 3)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(use, range(400)))


def test_submit_waits_while_too_much_is_unfinished():
    with Pool(processes=1, queued=2) as narrow:
        futures = [narrow.submit(Check(checks.sleep, (1e9, i))) for i in range(2)]
        third = threading.Thread(
            target=lambda: futures.append(narrow.submit(Check(checks.equal, (1, 1))))
        )
        third.start()
        third.join(0.2)
        assert third.is_alive() and len(futures) == 2
        os.kill(worker_of(narrow), signal.SIGKILL)
        third.join(60)
        assert not third.is_alive()
        assert futures[0].result(60).reason == "crash"
    assert [future.result(60).reason for future in futures[1:]] == ["closed", "closed"]


def worker_of(pool: Pool) -> int:
    """The process id of the last worker started, once it is known."""
    until = time.monotonic() + 60
    while len(pool.pids()) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return pool.pids()[-1]


def test_a_callback_may_submit_though_the_queue_is_full():
    with Pool(processes=1, queued=1) as narrow:
        later = []
        first = narrow.submit(Check(checks.sleep, (0.2, 1)))
        first.add_done_callback(
            lambda _: later.extend(narrow.submit(Check(checks.equal, (i, i))) for i in range(5))
        )
        first.result(60)
        until = time.monotonic() + 60
        while len(later) < 5 and time.monotonic() < until:
            time.sleep(0.01)
        assert all(future.result(60).correct for future in later)


@pytest.mark.parametrize("victim", [0, 1], ids=["zygote", "worker"])
def test_killed_from_outside(victim):
    with Pool(processes=1) as single:
        running = single.submit(Check(checks.sleep, (1e9,)))
        waiting = single.submit(Check(checks.equal, (1, 1)))
        worker_of(single)
        time.sleep(0.2)  # the check has begun
        pids = single.pids()
        os.kill(pids[victim], signal.SIGKILL)
        assert running.result(60).reason == "crash"
        assert waiting.result(60).correct is True
        assert gone([pids[1]])


def test_a_stopped_zygote_is_replaced(monkeypatch):
    monkeypatch.setattr(supervisor, "_STUCK_SECONDS", 1.0)
    with Pool(processes=1) as single:
        assert single.run(Check(checks.equal, (1, 1))).correct
        os.kill(single.pids()[0], signal.SIGSTOP)
        assert single.run(Check(checks.sleep, (1e9,), wall_seconds=0.1)).reason == "timeout"
        assert single.submit(Check(checks.equal, (2, 2))).result(60).correct is True


def test_nothing_is_left_after_close(tmp_path):
    left = tmp_path / "pid"
    with Pool(processes=2) as closing:
        assert closing.run(Check(checks.grandchild, (str(left),))).reason == "crash"
        unfinished = [closing.submit(Check(checks.sleep, (1e9, i))) for i in range(5)]
        worker_of(closing)
        pids = closing.pids()
    assert {future.result(60).reason for future in unfinished} == {"closed"}
    assert gone([*pids, int(left.read_text())]) and not closing.pids()
    with pytest.raises(RuntimeError, match="closed; make a new one"):
        closing.submit(Check(checks.equal, (1, 1)))
    closing.close()


def test_hashes_are_the_same_in_every_pool(pool):
    with Pool(processes=1) as other:
        check = Check(checks.hashed, ("word",))
        assert pool.run(check) == other.run(check)


# A process that has inherited the parent's descriptors keeps the zygote's socket open.
LEAK = (
    "import os, subprocess\n"
    "descriptors = [fd for fd in range(3, 100) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
    "print(subprocess.Popen(['sleep', '300'], pass_fds=descriptors).pid, flush=True)\n"
)


@pytest.mark.parametrize("leak", ["print(0, flush=True)\n", LEAK], ids=["", "leaking"])
def test_nothing_is_left_when_the_parent_is_killed(tmp_path, leak):
    file = str(tmp_path / "pid")
    process = script(
        "import checks, sys, time\n"
        "from reasoning_jax.types import Check\n"
        "from reasoning_jax.verify.pool import default_pool\n"
        "pool = default_pool()\n"
        f"running = [pool.submit(Check(checks.fork_and_sleep, ({file!r} + str(i),)))"
        " for i in range(2)]\n"
        f"while len(pool.pids()) < 2 or not checks.exists({file!r} + '0'): time.sleep(0.01)\n"
        + leak
        + "print(*pool.pids(), flush=True)\n"
        "running[0].result()\n"
    )
    leaked = int(process.stdout.readline())
    pids = [*map(int, process.stdout.readline().split()), int(pathlib.Path(file + "0").read_text())]
    assert all(map(alive, pids)) and len(pids) >= 3
    process.kill()
    process.wait()
    try:
        assert gone(pids)
    finally:
        if leaked:
            os.kill(leaked, signal.SIGKILL)


def test_forked_and_spawned_children_have_workers_of_their_own():
    process = script(
        "import multiprocessing, os, checks\n"
        "from reasoning_jax.verify.pool import default_pool\n"
        "mine = checks.use_default_pool()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(int(checks.use_default_pool() == mine or len(default_pool().pids()) < 2))\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "spawned = multiprocessing.get_context('spawn').Process(target=checks.use_default_pool)\n"
        "spawned.start(); spawned.join()\n"
        "assert spawned.exitcode == 0 and checks.use_default_pool() == mine\n"
    )
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_verdicts_are_the_same_under_load(pool):
    load = [script("while True: pass") for _ in range(2 * (os.cpu_count() or 1))]
    try:
        check = Check(checks.use_cpu, (0.2,), cpu_seconds=2.0, wall_seconds=120.0)
        assert pool.run(check).correct is True
        check = Check(checks.spin, (1e9,), cpu_seconds=0.3, wall_seconds=120.0)
        assert pool.run(check).reason == "timeout"
    finally:
        for process in load:
            process.kill()
            process.communicate()


def test_workers_that_cannot_start_are_an_error(monkeypatch):
    monkeypatch.setattr(supervisor.sys, "executable", "/bin/false")
    with Pool(processes=1) as broken:
        with pytest.raises(RuntimeError, match="cannot be started"):
            broken.run(Check(checks.equal, (1, 1)))
        monkeypatch.undo()
        assert broken.run(Check(checks.equal, (1, 1))).correct is True


def test_an_interpreter_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(supervisor.sys, "executable", "/nowhere/python")
    with Pool(processes=1) as broken:
        for i in range(2):
            with pytest.raises(FileNotFoundError, match="/nowhere/python"):
                broken.run(Check(checks.equal, (i, 1)))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (Check(lambda: None, ()), "by name, so it must be defined at the top level"),
        (Check(collections.OrderedDict().keys, ()), "by name"),
        (Check(checks.equal, (lambda: None, 1)), "arguments of check checks.equal do not pickle"),
        (Check(checks.equal, (1, 1), cpu_seconds=0), "must be positive, got (0,"),
    ],
)
def test_a_check_that_cannot_travel_is_refused(pool, check, message):
    with pytest.raises(ValueError) as refusal:
        pool.submit(check)
    assert message in str(refusal.value)


def test_impossible_pools_are_refused():
    with pytest.raises(ValueError, match="queued at least 1"):
        Pool(queued=0)


def test_one_default_pool():
    assert default_pool() is default_pool()
