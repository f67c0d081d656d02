"""Tools as a config names them, and whole runs with tools."""

import json
import math
import os
import random
import signal
import socket
import time

import job
import pytest

from reasoning_jax.stages.exported import saved_block
from reasoning_jax.stages.tools import build_tooling, tools_block
from reasoning_jax.text import CharTokenizer
from reasoning_jax.types import Problem

TOKENIZER = CharTokenizer("0123456789+-*={};?abcdefghijklmnopqrstuvwxyz<>/: ")
CALCULATOR = "reasoning_jax.tools.calculator"

# RL alone, from an untrained policy: its calls are malformed, which is as good here.
RUN = (
    "--config=configs/tools.py:small",
    "--config.stages=('rl',)",
    "--config.rl.steps=4",
    "--config.rl.evaluate_every=2",
    "--config.rl.checkpoint_every=1",
    "--config.rl.guard.start=0.0",
    "--config.rl.guard.patience=100",
    "--config.rl.max_tokens=16",
    "--config.rl.evaluation.max_tokens=16",
    "--config.rl.evaluation.problems=16",
    "--config.rl.evaluation.n=8",
)


def block(**changes):
    config = tools_block()
    config.use = (CALCULATOR,)
    config.update(changes)
    return config


def test_a_run_has_no_tools_unless_it_names_some():
    tooling = build_tooling(tools_block(), TOKENIZER)
    assert tooling.toolbox is None and tooling.wrap("a sampler") == "a sampler"
    problem = Problem("t/train/0", "t", "1+1=", "2", solution="<tool>1+1</tool><result>2</result>")
    ids, trained = tooling.example(TOKENIZER, problem)
    assert sum(trained) == len(ids) - 4


def test_tools_by_name_with_and_without_keywords():
    specs = (CALCULATOR, {"name": "reasoning_jax.tools.symbolic", "cpu_seconds": 1.0})
    tooling = build_tooling(block(use=specs, max_turns=3), TOKENIZER)
    assert list(tooling.toolbox.tools) == ["calculator", "sympy"] and tooling.max_turns == 3


def test_examples_hide_results_from_the_loss():
    problem = Problem("t/train/0", "t", "1+1=", "2", solution="<tool>1+1</tool><result>2</result>2")
    ids, trained = build_tooling(block(), TOKENIZER).example(TOKENIZER, problem)
    assert TOKENIZER.decode(ids) == problem.prompt + problem.solution
    assert TOKENIZER.decode(i for i, t in zip(ids, trained) if t) == "<tool>1+1</tool>2"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"use": ("reasoning_jax.tools.abacus",)}, r"config.tools.use.*abacus"),
        ({"use": (CALCULATOR, CALCULATOR)}, "each name once"),
        ({"use": ({"name": CALCULATOR, "digits": 3},)}, "takes no 'digits'"),
        ({"max_turns": 0}, "config.tools.max_turns is 0"),
        ({"max_result_tokens": 0}, "config.tools.max_result_tokens is 0"),
        ({"wall_seconds": 0.0}, "config.tools.wall_seconds is 0"),
        ({"syntax": {"call_end": ""}}, "syntax.call_end is empty"),
        ({"syntax": {"error": "E!"}}, r"config.tools.syntax.error: character 'E'"),
    ],
)
def test_what_cannot_work_is_refused_at_the_door(changes, message):
    with pytest.raises(ValueError, match=message):
        build_tooling(block(**changes), TOKENIZER)


def test_tools_of_a_workdir_and_of_other_folders(tmp_path):
    assert saved_block(tmp_path, "tools", tools_block()) == tools_block().to_dict()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "tools": {"x": 1}}))
    assert saved_block(tmp_path, "tools", tools_block()) == tools_block().to_dict()
    saved = {**tools_block().to_dict(), "use": [CALCULATOR], "max_turns": 7}
    (tmp_path / "config.json").write_text(json.dumps({"stages": ["sft"], "tools": saved}))
    assert saved_block(tmp_path, "tools", tools_block()) == saved
    assert build_tooling(saved_block(tmp_path, "tools", tools_block()), TOKENIZER).max_turns == 7


@pytest.fixture(scope="module")
def run_with_tools(tmp_path_factory):
    """The workdir of a tiny run with a calculator, never interrupted."""
    workdir = tmp_path_factory.mktemp("tools") / "reference"
    job.finish(job.start(workdir, settings=RUN))
    return workdir


def test_a_run_with_tools_reports_them_and_keeps_its_numerics(run_with_tools):
    lines = job.lines(run_with_tools)
    rl = [line for line in lines if "rl/reward" in line]
    assert len(rl) == 4
    assert all(line["rl/tool_calls"] > 0.1 for line in rl)
    assert all(line["rl/logprob_gap_max"] < 1e-5 for line in rl)
    assert all(line["eval/tool_calls"] > 0.1 for line in lines if "eval/greedy" in line)
    rows = (run_with_tools / "samples" / "rl.jsonl").read_text().splitlines()
    texts = [json.loads(row)["completion"] for row in rows]
    # Results of calls, malformed as those of an untrained policy are, stand in the samples.
    assert any("}?" in text for text in texts)


def written(workdir) -> int:
    """How many lines of metrics there are so far."""
    path = workdir / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
def test_a_killed_run_with_tools_goes_on_bit_identically(run_with_tools):
    workdir = run_with_tools.parent / "killed"
    expected = job.lines(run_with_tools)
    draw = random.Random(0)
    for _ in range(20):
        process = job.start(workdir, settings=RUN)
        goal = written(workdir) + draw.randint(2, 4)
        while process.poll() is None:
            if written(workdir) >= goal:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.05)
        process.communicate()
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert job.lines(workdir) == expected
    ours, theirs = ((d / "samples" / "rl.jsonl").read_bytes() for d in (workdir, run_with_tools))
    assert ours == theirs


@pytest.mark.slow
def test_two_processes_read_the_same_results(run_with_tools):
    workdir = run_with_tools.parent / "two_processes"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = (f"--coordinator=127.0.0.1:{port}", "--processes=2", "--config.mesh.fsdp=2")
    processes = [
        job.start(workdir, *flags, f"--process={index}", settings=RUN) for index in range(2)
    ]
    for process in processes:
        job.finish(process)
    ours, theirs = job.lines(workdir), job.lines(run_with_tools)
    assert len(ours) == len(theirs)
    for line, other in zip(ours, theirs):
        assert line.keys() == other.keys()
        for name in line.keys() - {"stage"}:
            assert math.isclose(line[name], other[name], rel_tol=1e-5, abs_tol=1e-5), name


@pytest.mark.slow
def test_sample_takes_the_tools_of_the_run_or_those_of_its_flags(run_with_tools):
    shared = (f"--model={run_with_tools}", "--prompt=12*3=", "--max_tokens=16", "--n=16", "--json")

    def completions(*flags):
        output = job.command("sample", *shared, *flags).stdout
        return [json.loads(line) for line in output.splitlines()]

    def calls(*flags):
        return [call for row in completions(*flags) for call in row["calls"]]

    own = calls()
    assert own and all(call["result"].startswith("?") for call in own if call["error"])
    assert calls("--tool=") == []
    assert calls("--max_turns=1") == []
    other = calls("--tool=reasoning_jax.tools.symbolic", "--tool_syntax=error=;")
    assert [call["argument"] for call in other] != []
    assert all(call["result"].startswith(";") for call in other if call["error"])
