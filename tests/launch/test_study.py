"""Studies as a user starts them: real runs of a few seconds, and what is refused before any."""

import json
import pathlib
import subprocess

import job
import pytest

from launch.resolve import resolve
from launch.study import load_study

FILE = """
from reasoning_jax.studies import Arm, Curve, Measure, Study, last

TINY = {tiny!r}


def get_study():
    return Study(
        name="tiny",
        question="Does anything run?",
        arms={{
            name: Arm("configs/quickstart.py:small", TINY | more) for name, more in {arms}.items()
        }},
        baseline="grpo",
        measures=(Measure("pass@1", last("evaluate_rl", "eval/pass@1")),),
        curves=(Curve("rl", "rl/entropy", "entropy", unit="nats"),),
        shared=("sft", "evaluate_sft"),
        seeds=1,
    )
"""
SETTINGS = dict(flag.removeprefix("--config.").split("=", 1) for flag in job.TINY[1:])
FEWER = {"rl.prompts": "8"}


def study(folder: pathlib.Path, arms: dict) -> pathlib.Path:
    path = folder / "tiny.py"
    path.write_text(FILE.format(tiny=SETTINGS, arms=repr(arms)))
    return path


def launch(*flags: object, code: int = 0) -> subprocess.CompletedProcess:
    return job.command("study", *flags, code=code)


def test_arms_resolve_as_their_commands_do():
    config = resolve(["--config=configs/quickstart.py:small", "--config.rl.policy_loss.high=0.3"])
    assert config.name == "quickstart:small" and config.rl.policy_loss.high == 0.3
    with pytest.raises(ValueError, match="no key 'stepps'"):
        resolve(["--config=configs/quickstart.py", "--config.rl.stepps=3"])
    with pytest.raises(ValueError, match=r"configs/nowhere\.py"):
        resolve(["--config=configs/nowhere.py"])
    with pytest.raises(ValueError, match="no variant 'big'"):
        resolve(["--config=configs/quickstart.py:big"])


def test_a_wrong_arm_is_named_before_any_run(tmp_path):
    bad = study(tmp_path, {"grpo": {}, "bad": {"rl.group_size": 1}})
    result = launch(f"--study={bad}", f"--out={tmp_path / 'out'}", code=1)
    assert "arm 'bad': config.rl: group_size 1" in result.stderr
    assert not (tmp_path / "out").exists()


def test_unknown_arms_and_files_are_named(tmp_path):
    good = str(study(tmp_path, {"grpo": {}, "fewer": FEWER}))
    assert (
        set(load_study(good, []).arms) == {"grpo", "fewer"} == set(load_study(good, ["fewer"]).arms)
    )
    with pytest.raises(ValueError, match="no arm 'x'; arms are grpo, fewer"):
        load_study(good, ["x"])
    with pytest.raises(FileNotFoundError, match="no study file"):
        load_study("configs/studies/nowhere.py", [])
    with pytest.raises(ValueError, match=r"has no function get_study\(\)"):
        load_study(str(job.REPOSITORY / "configs/quickstart.py"), [])


@pytest.mark.slow
def test_a_shared_warm_up_changes_no_number(tmp_path, finished_run):
    file, out = study(tmp_path, {"grpo": {}, "fewer": FEWER}), tmp_path / "out"
    flags = [f"--study={file}", f"--out={out}"]
    launch(*flags, "--prefix=nice -n 1")
    # The run that did everything itself, in one go, has the same lines but for the times.
    assert job.lines(out / "runs/grpo/seed0") == job.lines(finished_run)
    assert job.lines(out / "runs/fewer/seed0") != job.lines(finished_run)
    results = json.loads((out / "results.json").read_text())
    last = job.lines(finished_run)[-1]["eval/pass@1"]
    assert results["arms"]["grpo"]["measures"]["pass@1"] == [last]
    assert (out / "entropy.svg").exists() and "| fewer |" in (out / "results.md").read_text()
    again = launch(*flags)
    assert "3 of 3 runs are finished already" in again.stdout
    assert json.loads((out / "results.json").read_text()) == results
