"""Running launch.train as a user does, in processes of its own, on a run of a few seconds."""

import json
import os
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]

# A run that passes through every kind of stage in a few steps.
TINY = (
    "--config=configs/quickstart.py:small",
    "--config.sft.examples=500",
    "--config.sft.steps=12",
    "--config.sft.evaluate_every=6",
    "--config.sft.checkpoint_every=4",
    "--config.sft.gate.metric=",
    "--config.sft.log_every=2",
    "--config.rl.steps=6",
    "--config.rl.evaluate_every=3",
    "--config.rl.checkpoint_every=2",
    "--config.rl.guard.start=0.0",
    "--config.rl.guard.patience=100",
    *(
        f"--config.{block}.problems=16"
        for block in ("sft.evaluation", "rl.evaluation", "evaluate_sft", "evaluate_rl")
    ),
)


# Most of the tests' time is compilation of tiny programs: skip the optimisations.
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def environment(devices: int) -> dict[str, str]:
    """Environment of a job on so many host devices, with the compilation cache of all jobs."""
    return {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {QUICK_TO_COMPILE}",
        "JAX_COMPILATION_CACHE_DIR": os.environ["REASONING_JAX_TEST_CACHE"],
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": str(REPOSITORY),
    }


def command(
    module: str, *flags: object, code: int = 0, devices: int = 1
) -> subprocess.CompletedProcess:
    """Runs ``python -m launch.MODULE`` to its end and asserts its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", f"launch.{module}", *map(str, flags)],
        cwd=REPOSITORY,
        env=environment(devices),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def start(
    workdir: pathlib.Path, *flags: str, devices: int = 1, settings: tuple[str, ...] = TINY
) -> subprocess.Popen:
    """Starts the tiny run, or one of other settings; later flags override earlier ones."""
    command = [sys.executable, "-m", "launch.train", *settings, f"--workdir={workdir}", *flags]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment(devices),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen, code: int = 0) -> str:
    """Waits for a job, asserts its exit code, returns what it printed."""
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output
    return output


def lines(workdir: pathlib.Path) -> list[dict]:
    """metrics.jsonl without what measures time."""
    return [
        {
            name: value
            for name, value in json.loads(line).items()
            if name != "time" and not name.startswith(("time/", "perf/"))
        }
        for line in (workdir / "metrics.jsonl").read_text().splitlines()
    ]
