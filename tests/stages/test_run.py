"""Whole runs as a user starts them: what they leave, how they go on, where they may run."""

import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import job
import pytest


def close(ours: list[dict], theirs: list[dict], tolerance: float) -> None:
    assert [(line["stage"], line["step"]) for line in ours] == [
        (line["stage"], line["step"]) for line in theirs
    ]
    for line, other in zip(ours, theirs):
        assert line.keys() == other.keys()
        for name, value in line.items():
            if name != "stage":
                assert math.isclose(value, other[name], rel_tol=tolerance, abs_tol=tolerance), (
                    f"{line['stage']} {line['step']} {name}: {value} and {other[name]}"
                )


def test_a_run_leaves_what_the_design_promises(finished_run):
    lines = job.lines(finished_run)
    assert [line["stage"] for line in lines] == sorted(
        [line["stage"] for line in lines],
        key=["sft", "evaluate_sft", "rl", "evaluate_rl"].index,
    )
    sft = [line for line in lines if line["stage"] == "sft" and "train/loss" in line]
    assert sft[-1]["train/loss"] < sft[0]["train/loss"]
    rl = [line for line in lines if "rl/reward" in line]
    assert [line["step"] for line in rl] == [1, 2, 3, 4, 5, 6]
    for name in (
        *("reward_sd", "zero_variance_groups", "truncated", "length", "length_finished"),
        *("entropy", "ratio_min", "ratio_mean", "ratio_max", "clip_low", "clip_high"),
        *("grad_norm", "loss", "logprob_gap_mean", "logprob_gap_max"),
    ):
        assert all(f"rl/{name}" in line for line in rl), name
    assert all(line["rl/logprob_gap_max"] < 1e-5 for line in rl)
    assert all(any(name.startswith("rl/verdict/") for name in line) for line in rl)
    last = lines[-1]
    assert {"eval/pass@1", "eval/greedy", "eval/maj@8", "eval/pass@8"} <= last.keys()

    sample = json.loads((finished_run / "samples" / "rl.jsonl").read_text().splitlines()[0])
    assert sample.keys() >= {"prompt", "completion", "verdict", "reason", "reward", "advantage"}
    assert json.loads((finished_run / "config.json").read_text())["rl"]["steps"] == 6
    page = (finished_run / "report.html").read_text()
    assert "<svg" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert list((finished_run / "tensorboard").iterdir())


def test_sampling_noise_differs_between_steps(finished_run):
    rows = (finished_run / "samples" / "rl.jsonl").read_text().splitlines()
    by_step = {}
    for row in map(json.loads, rows):
        by_step.setdefault(row["step"], []).append(row["completion"])
    assert len({tuple(texts) for texts in by_step.values()}) == len(by_step)


def test_finished_run_starts_again_and_does_nothing(finished_run):
    before = (finished_run / "metrics.jsonl").read_bytes()
    output = job.finish(job.start(finished_run))
    assert "resuming" in output
    assert (finished_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_run_goes_on_bit_identically(finished_run, seed):
    workdir = finished_run.parent / f"killed{seed}"
    draw = random.Random(seed)
    total = len(job.lines(finished_run))
    killed = 0
    for target in sorted(draw.sample(range(1, total), 3)):
        process = job.start(workdir)
        metrics = workdir / "metrics.jsonl"
        while process.poll() is None:
            if metrics.exists() and metrics.read_bytes().count(b"\n") >= target:
                time.sleep(draw.random() * 0.2)
                break
            time.sleep(0.01)
        if process.poll() is None:
            process.kill()
            killed += 1
        process.communicate()
    assert killed
    job.finish(job.start(workdir))
    assert job.lines(workdir) == job.lines(finished_run)
    for samples in ("sft", "rl", "evaluate_rl"):
        name = f"samples/{samples}.jsonl"
        if (finished_run / name).exists():
            assert (workdir / name).read_bytes() == (finished_run / name).read_bytes()


def test_ctrl_c_leaves_a_checkpoint_and_the_run_goes_on(finished_run):
    workdir = finished_run.parent / "interrupted"
    process = job.start(workdir)
    metrics = workdir / "metrics.jsonl"
    while not (metrics.exists() and b'"rl/reward"' in metrics.read_bytes()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output = job.finish(process, code=130)
    assert "stopped in stage 'rl'" in output and "goes on from there" in output
    job.finish(job.start(workdir))
    assert job.lines(workdir) == job.lines(finished_run)


def test_eight_devices_give_the_losses_of_one(finished_run):
    workdir = finished_run.parent / "sharded"
    mesh = ["--config.mesh.data=2", "--config.mesh.fsdp=2", "--config.mesh.tensor=2"]
    job.finish(job.start(workdir, *mesh, devices=8))
    close(job.lines(workdir), job.lines(finished_run), 1e-5)


def run_on_two_processes(workdir, *flags):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        job.start(
            workdir,
            *flags,
            f"--coordinator=127.0.0.1:{port}",
            "--processes=2",
            f"--process={index}",
            "--config.mesh.fsdp=2",
        )
        for index in range(2)
    ]
    for process in processes:
        job.finish(process)


def test_two_processes_give_the_losses_of_one(finished_run):
    workdir = finished_run.parent / "two_processes"
    run_on_two_processes(workdir)
    close(job.lines(workdir), job.lines(finished_run), 1e-5)


CRASHING = "--config.task=tests.crashing_task:CrashingChain"


def counted(workdir: os.PathLike, name: str) -> int:
    return sum(int(line.get(name, 0)) for line in job.lines(workdir))


@pytest.mark.slow
def test_a_run_goes_on_when_one_check_in_a_hundred_crashes(finished_run):
    workdir = finished_run.parent / "crashing"
    job.finish(job.start(workdir, CRASHING, "--config.rl.log_samples=64"))
    lines = [line for line in job.lines(workdir) if "rl/reward" in line]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    crashed = counted(workdir, "rl/verdict/crash")
    graded = sum(
        value for line in lines for name, value in line.items() if name.startswith("rl/verdict/")
    )
    assert 0 < crashed < 0.05 * graded
    assert counted(workdir, "eval/verdict/crash") > 0
    rows = [
        json.loads(line) for line in (workdir / "samples" / "rl.jsonl").read_text().splitlines()
    ]
    for row in rows:
        if row["reason"] == "crash":
            assert (row["verdict"], row["reward"], row["advantage"]) == (None, None, 0.0)
        else:
            assert row["reward"] in (0.0, 1.0)


def test_a_run_stops_when_too_many_checks_crash_and_goes_on_once_they_do_not(finished_run):
    workdir = finished_run.parent / "stopped"
    flags = ["--config.verify.least=20", "--config.task_options.crash_percent={}"]
    output = job.finish(job.start(workdir, CRASHING, flags[0], flags[1].format(50)), code=1)
    assert "checks failed for" in output and "verify.max_failures 0.1" in output
    assert "Traceback" not in output
    assert list((workdir / "checkpoints").iterdir())
    output = job.finish(job.start(workdir, CRASHING, flags[0], flags[1].format(0)))
    assert "resuming" in output
    assert counted(workdir, "rl/verdict/crash") == 0


@pytest.mark.slow
def test_processes_agree_though_checks_crash_on_one_of_them(finished_run):
    workdir = finished_run.parent / "crashing_process"
    options = ["--config.task_options.crash_percent=20", "--config.task_options.crash_process=1"]
    run_on_two_processes(workdir, CRASHING, *options, "--config.verify.max_failures=1.0")
    # Process 0, on which none crashed, is the one that logs.
    assert counted(workdir, "rl/verdict/crash") > 0 and counted(workdir, "eval/verdict/crash") > 0
    lines = [line for line in job.lines(workdir) if "rl/reward" in line]
    assert len(lines) == 6 and all(line["rl/logprob_gap_max"] < 1e-5 for line in lines)


def test_micro_batches_give_the_same_run(finished_run):
    workdir = finished_run.parent / "micro"
    flags = ["--config.sft.micro_batches=4", "--config.rl.micro_batches=4"]
    job.finish(job.start(workdir, *flags))
    close(job.lines(workdir), job.lines(finished_run), 1e-5)


def test_several_updates_per_batch_with_a_reference_policy(finished_run):
    workdir = finished_run.parent / "updates"
    flags = [
        "--config.rl.updates=4",
        "--config.rl.kl_coef=0.02",
        "--config.rl.policy_loss.high=0.3",
    ]
    job.finish(job.start(workdir, *flags))
    ours = [line for line in job.lines(workdir) if "rl/reward" in line]
    theirs = [line for line in job.lines(finished_run) if "rl/reward" in line]
    # The first batch is sampled from the same policy: what describes it is the same.
    for name in ("reward", "reward_sd", "length", "truncated", "zero_variance_groups"):
        assert ours[0][f"rl/{name}"] == theirs[0][f"rl/{name}"], name
    assert all(line["rl/kl"] >= 0 for line in ours) and ours[-1]["rl/kl"] > 0
    assert ours[0]["rl/ratio_max"] > 1 > ours[0]["rl/ratio_min"]
    assert all(line["rl/ratio_max"] == 1 for line in theirs)


def test_changed_stages_are_refused_and_appended_ones_run(finished_run, tmp_path):
    workdir = tmp_path / "stages"
    shutil.copytree(finished_run, workdir)
    output = job.finish(job.start(workdir, "--config.stages=('rl','sft')"), code=1)
    assert "stages may be appended, not changed" in output


def test_a_torn_config_file_does_not_stop_a_resume(finished_run, tmp_path):
    workdir = tmp_path / "torn_config"
    shutil.copytree(finished_run, workdir)
    (workdir / "config.json").write_text('{"name": "quick')
    job.finish(job.start(workdir))
    assert json.loads((workdir / "config.json").read_text())["name"] == "quickstart:small"


def test_odd_numbers_of_cores_give_devices_that_divide_batches():
    code = "import os; os.sched_getaffinity = lambda _: set(range({})); import launch.environment; "
    code += "print(os.environ['XLA_FLAGS'])"
    for cores, devices in ((1, 1), (2, 2), (3, 2), (6, 4), (12, 8), (64, 8)):
        environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
        printed = subprocess.run(
            [sys.executable, "-c", code.format(cores)],
            cwd=job.REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert printed.strip().endswith(f"device_count={devices}")
