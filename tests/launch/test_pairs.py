"""The pipeline of pairs as its user types it, on the model of a tiny run."""

import json

import job
import pytest

from reasoning_jax.preference.pairs import read_pairs
from reasoning_jax.preference.pipeline import read_traces

TASK = ["--task=modchain", "--task_option=length=3", "--task_option=modulus=5"]
TASK += ["--task_option=operations='+-'"]
FILES = ("collected", "located", "rectified", "pairs", "whole_pairs")


def make_pairs(*flags, code=0):
    done = job.command("pairs", *flags, code=code)
    return done.stdout if code == 0 else done.stderr


@pytest.mark.slow
def test_all_steps_and_those_taken_up_again(finished_run, tmp_path):
    out = tmp_path / "out"
    flags = [f"--model={finished_run}", *TASK, "--problems=24", "--n=8", "--max_tokens=8"]
    flags += ["--separator=,", "--corrections=8", "--at_once=10", f"--out={out}"]
    told = make_pairs(*flags)
    assert "collected.jsonl: 24 of 24" in told and "pairs in" in told
    contents = {name: (out / f"{name}.jsonl").read_text() for name in FILES}
    traces = read_traces(out / "rectified.jsonl")
    assert len(traces) == 24
    pairs = read_pairs(out / "pairs.jsonl") if contents["pairs"] else ()
    for pair in pairs:
        assert not pair.complete and pair.chosen != pair.rejected
    records = [json.loads(line) for line in contents["pairs"].splitlines()]
    assert all(r["made_by"]["locate"] == "exact" for r in records)

    # Killed in the midst of a line: what was done stays and the rest is the same.
    lines = contents["rectified"].splitlines(keepends=True)
    (out / "rectified.jsonl").write_text("".join(lines[:11]) + lines[11][:9])
    told = make_pairs(*flags)
    assert "rectified.jsonl: 11 of 24" in told
    assert {name: (out / f"{name}.jsonl").read_text() for name in FILES} == contents
    error = make_pairs(*flags, "--step=rectify", "--corrections=9", code=1)
    assert "was begun with other settings" in error


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, message",
    [
        (["--problems=999999"], "modchain has 100000 in 'train'"),
        (["--step=locate"], "run the step before this one first"),
        (["--model=http://127.0.0.1:1/v1"], "names no model: write its name after #"),
        (["--check=judge", "--judge=majority"], "needs a judge of whole responses"),
    ],
)
def test_bad_input_is_one_line(tmp_path, flags, message):
    flags = [f"--out={tmp_path}/out", "--model=no/such", *TASK, *flags]
    printed = make_pairs(*flags, code=1)
    assert printed.startswith("error: ") and message in printed.splitlines()[0]
