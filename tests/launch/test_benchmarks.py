"""From a benchmark's file to a tokenizer, a model and figures, as a user types it."""

import json

import job
import pytest

QUESTION = {"problem": "What is 1+1?", "answer": "2", "solution": r"It is $\boxed{2}$."}
PROGRAM = {
    "task_id": "HumanEval/0",
    "prompt": "def one():\n",
    "entry_point": "one",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}


def launch(module, *flags, code=0):
    done = job.command(module, *flags, code=code)
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "row"),
    [("math500", "MATH500.jsonl", QUESTION), ("humaneval", "HumanEval.jsonl", PROGRAM)],
)
def test_a_benchmark_from_its_file(tmp_path, name, file, row):
    (tmp_path / file).write_text((json.dumps(row) + "\n") * 8)
    task = (f"--task={name}", f"--data={tmp_path}")
    split = ("--split=test", "--vocab_size=300", "--preset=micro")
    launch("init_model", *task, *split, f"--to={tmp_path}/model")
    model, out = f"--model={tmp_path}/model", tmp_path / "metrics.json"
    sampling = ("--n=2", "--max_tokens=8", "--problems=4", f"--out={out}")
    prompt = "--task_option=prompt='Q: {question}\\nA:'"
    assert "pass@1" in launch("evaluate", model, *task, *sampling, prompt)
    metrics = json.loads(out.read_text())
    assert metrics["eval/problems"] == 4 and metrics["eval/unjudged"] == 0
    for flag, message in (
        ("--split=train", f"{name} has no train split, only test"),
        ("--task_option=prompt=Q:", "it must hold {question}"),
        ("--task_option=promt=Q", "has no option 'promt'"),
    ):
        assert message in launch("evaluate", model, *task, flag, code=1)
