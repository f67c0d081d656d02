"""Whole runs as a user starts them: what they leave, how they go on, where they may run."""

import json
import math
import random
import signal
import socket
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


@pytest.mark.parametrize("seed", [0, 1])
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


def test_two_processes_give_the_losses_of_one(finished_run):
    workdir = finished_run.parent / "two_processes"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        job.start(
            workdir,
            f"--coordinator=127.0.0.1:{port}",
            "--processes=2",
            f"--process={index}",
            "--config.mesh.fsdp=2",
        )
        for index in range(2)
    ]
    for process in processes:
        job.finish(process)
    close(job.lines(workdir), job.lines(finished_run), 1e-5)


def test_micro_batches_give_the_same_run(finished_run):
    workdir = finished_run.parent / "micro"
    flags = ["--config.sft.micro_batches=4", "--config.rl.micro_batches=4"]
    job.finish(job.start(workdir, *flags))
    close(job.lines(workdir), job.lines(finished_run), 1e-5)
