"""The smaller commands as a user types them."""

import json
import os

import job
import pytest

from reasoning_jax.models import load_hf
from reasoning_jax.text import load_tokenizer


def run(module: str, *flags: object, code: int = 0) -> str:
    done = job.command(module, *flags, code=code)
    return done.stdout if code == 0 else done.stderr


def test_sample_continues_prompts(finished_run):
    flags = ["--prompt=1+2-1+1=", "--prompt=4-3+2-2=", "--n=2", "--max_tokens=8"]
    lines = run("sample", f"--model={finished_run}", *flags).splitlines()
    assert [line.split("=")[0] for line in lines] == ["1+2-1+1"] * 2 + ["4-3+2-2"] * 2


def test_sample_writes_json_with_one_logprob_per_token(finished_run):
    flags = ["--prompt=1+2-1+1=", "--temperature=0", "--max_tokens=8", "--json"]
    row = json.loads(run("sample", f"--model={finished_run}/model", *flags))
    assert row["prompt"] == "1+2-1+1=" and row["finish_reason"] in ("stop", "length")
    assert len(row["tokens"]) == len(row["logprobs"]) <= 8
    assert all(logprob <= 0 for logprob in row["logprobs"])


def test_evaluate_agrees_with_the_run(finished_run, tmp_path):
    out = tmp_path / "metrics.json"
    flags = ["--problems=16", "--n=8", "--max_tokens=16", f"--out={out}"]
    table = run("evaluate", f"--workdir={finished_run}", *flags)
    assert "pass@1" in table and "modchain" in table
    last = job.lines(finished_run)[-1]
    metrics = json.loads(out.read_text())
    assert {name: last[name] for name in metrics} == pytest.approx(metrics)


def test_summarize_prints_a_table_and_draws(finished_run, tmp_path):
    figure = tmp_path / "figure.svg"
    table = run("summarize", finished_run, f"--plot={figure}", "--metrics=eval/pass@1,eval/greedy")
    assert table.splitlines()[0] == "| stage | pass@1 | greedy |"
    assert "| evaluate_rl |" in table
    assert "<svg" in figure.read_text()


def test_init_model_makes_a_folder_that_loads(tmp_path):
    flags = ["--preset=nano", "--task=wordchain", "--problems=200", "--vocab_size=300"]
    printed = run("init_model", *flags, f"--to={tmp_path}/model")
    config, _ = load_hf(tmp_path / "model")
    tokenizer = load_tokenizer(tmp_path / "model")
    assert config.vocab_size == tokenizer.vocab_size <= 300
    assert f"{tokenizer.vocab_size} tokens" in printed


@pytest.mark.parametrize(
    ("module", "flags", "message"),
    [
        ("sample", ["--model=no/such", "--prompt=a"], "no/such"),
        ("sample", ["--prompt=a"], "--model"),
        ("evaluate", [], "give --model=FOLDER or --workdir=DIR"),
        ("evaluate", ["--model=no/such", "--task=modchain"], "no/such"),
        ("evaluate", ["--model=x", "--task=modchain", "--problems=9999"], "modchain has 512"),
        ("summarize", [], "no workdirs"),
        ("summarize", ["no/such"], "metrics.jsonl"),
        ("init_model", ["--task=chess", "--to=somewhere"], "chess"),
    ],
)
def test_bad_input_is_one_line(module, flags, message, tmp_path):
    printed = run(module, *flags, code=1)
    assert printed.startswith("error: ") and message in printed.splitlines()[0]


def test_evaluate_names_what_an_unfinished_run_needs(tmp_path):
    os.makedirs(tmp_path / "run" / "checkpoints")
    printed = run("evaluate", f"--workdir={tmp_path}/run", code=1)
    assert "has not finished" in printed
