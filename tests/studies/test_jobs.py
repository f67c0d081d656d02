"""Jobs as processes, with a stand-in for training."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from reasoning_jax.studies.jobs import cpu_seconds, is_finished, run_jobs
from reasoning_jax.studies.plan import Job

STAND_IN = [sys.executable, str(pathlib.Path(__file__).with_name("stand_in.py"))]


def job(folder, name, *flags, begins_with=""):
    flags = ("--config.seed=0", *flags)
    return Job(name, folder / "runs" / name, flags, " ".join(flags), begins_with)


def run(jobs, parallel=1):
    said = []
    return run_jobs(jobs, STAND_IN, parallel, said.append), said


def test_a_finished_run_is_not_repeated(tmp_path):
    one = job(tmp_path, "a/seed0")
    assert not is_finished(one) and run([one])[0] == {} and is_finished(one)
    failures, said = run([one])
    assert failures == {} and said == ["1 of 1 runs are finished already"]
    assert (one.workdir / "attempts").read_text() == "x"
    assert cpu_seconds(one) > 0


def test_a_failure_is_reported_with_its_log_and_the_rest_goes_on(tmp_path):
    bad, good = job(tmp_path, "bad/seed0", "--config.act=fail"), job(tmp_path, "good/seed0")
    failures, said = run([bad, good])
    assert list(failures) == ["bad/seed0"] and is_finished(good) and not is_finished(bad)
    assert "exit code 1" in failures["bad/seed0"]
    assert failures["bad/seed0"].endswith("error: nothing to be done")
    assert any(line.startswith("bad/seed0: FAILED") for line in said)
    # The same call tries again what failed, in the same folder.
    assert run([bad, good])[0] == {} and (bad.workdir / "attempts").read_text() == "xx"
    record = json.loads((tmp_path / "runs/bad/seed0.json").read_text())
    assert [attempt["returncode"] for attempt in record["attempts"]] == [1, 0]


def test_runs_go_on_from_a_copy_of_their_warm_up(tmp_path):
    warm = job(tmp_path, "warm-up.1/seed0")
    arms = [job(tmp_path, f"{n}/seed0", begins_with="warm-up.1/seed0") for n in "ab"]
    assert run([warm, *arms], parallel=2)[0] == {}
    for arm in arms:
        assert (arm.workdir / "attempts").read_text() == "xx"
        # Its own lines come behind those of the warm-up.
        assert len((arm.workdir / "metrics.jsonl").read_text().splitlines()) == 4
    assert (warm.workdir / "attempts").read_text() == "x"


def test_what_begins_with_a_failed_warm_up_fails_with_it(tmp_path):
    warm = job(tmp_path, "warm-up.1/seed0", "--config.act=never")
    arm = job(tmp_path, "a/seed0", begins_with="warm-up.1/seed0")
    failures, _ = run([warm, arm])
    assert failures["a/seed0"] == "it begins with warm-up.1/seed0, which failed"
    assert not arm.workdir.exists()


def test_a_warm_up_that_another_study_runs_is_waited_for(tmp_path):
    warm = job(tmp_path, "warm-up.1/seed0")
    arm = job(tmp_path, "a/seed0", begins_with="warm-up.1/seed0")
    beside = warm.workdir.with_suffix(".claim")
    beside.parent.mkdir(parents=True)
    warm.workdir.mkdir()
    finished = {"identity": warm.identity, "flags": [], "attempts": [{"returncode": 0}]}
    other = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import fcntl, pathlib, sys, time\n"
            "file = open(sys.argv[1], 'w')\n"
            "fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True)\n"
            "time.sleep(0.5)\n"
            "pathlib.Path(sys.argv[2]).write_text(sys.argv[3])\n",
            *(beside, warm.workdir.with_suffix(".json"), json.dumps(finished)),
        ],
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    failures, said = run([warm, arm])
    assert failures == {} and said[0] == "a/seed0: started"
    assert not (warm.workdir / "attempts").exists() and is_finished(arm)
    assert other.wait() == 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_jobs_at_once_have_cores_of_their_own(tmp_path):
    jobs = [job(tmp_path, f"{n}/seed0") for n in "ab"]
    before = os.sched_getaffinity(0)
    run(jobs, parallel=2)
    cores = [set(json.loads((one.workdir / "cores").read_text())) for one in jobs]
    assert not cores[0] & cores[1] and cores[0] | cores[1] == before
    assert os.sched_getaffinity(0) == before


def test_changed_flags_are_refused_before_anything_runs(tmp_path):
    run([job(tmp_path, "a/seed0")])
    changed, other = job(tmp_path, "a/seed0", "--config.value=1"), job(tmp_path, "b/seed0")
    with pytest.raises(ValueError, match=r"a/seed0 was begun with .*but the study now says .*=1"):
        run([other, changed])
    assert not other.workdir.exists()


def test_an_interrupted_study_asks_its_runs_to_end(tmp_path):
    script = tmp_path / "study.py"
    script.write_text(
        "import pathlib, sys, signal\n"
        "from reasoning_jax.studies.jobs import run_jobs\n"
        "from reasoning_jax.studies.plan import Job\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"job = Job('a/seed0', pathlib.Path({str(tmp_path)!r}) / 'runs/a/seed0', (), '')\n"
        "wait = 'import signal, sys, time; signal.signal(15, lambda *_: sys.exit(130));'\n"
        "wait += 'print(1, flush=True); time.sleep(60)'\n"
        "run_jobs([job], [sys.executable, '-c', wait], 1, print)\n"
    )
    process = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": "."})
    log = tmp_path / "runs/a/seed0.log"
    deadline = time.monotonic() + 30
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 143
    record = json.loads((tmp_path / "runs/a/seed0.json").read_text())
    assert [attempt["returncode"] for attempt in record["attempts"]] == [130]
