"""Mean and spread over runs, by hand."""

import json

import pytest

from reasoning_jax.evals.summary import accuracy_over_training, last_evaluations, table


def workdir(folder, lines):
    folder.mkdir()
    text = "".join(json.dumps({"time": 0.0, **line}) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)
    return folder


def evaluation(stage, step, sampled, greedy):
    return {"stage": stage, "step": step, "eval/pass@1": sampled, "eval/greedy": greedy}


@pytest.fixture
def runs(tmp_path):
    a = [evaluation("sft", 1, 0.1, 0.2), evaluation("sft", 2, 0.5, 0.8)]
    b = [evaluation("sft", 1, 0.1, 0.2), evaluation("sft", 4, 0.7, 0.9)]
    loss = {"stage": "sft", "step": 1, "train/loss": 1.0}
    return [workdir(tmp_path / "a", [loss, *a]), workdir(tmp_path / "b", b)]


def test_the_last_evaluation_of_each_stage_counts(runs):
    assert last_evaluations(runs) == {"sft": {"eval/pass@1": [0.5, 0.7], "eval/greedy": [0.8, 0.9]}}


def test_reasons_of_verdicts_that_only_some_runs_have_are_left_out(runs):
    once = {**evaluation("sft", 5, 0.5, 0.8), "eval/verdict/exact": 3, "eval/verdict/timeout": 1}
    other = {**evaluation("sft", 5, 0.7, 0.9), "eval/verdict/exact": 4}
    for folder, line in zip(runs, (once, other)):
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"time": 0.0, **line}) + "\n")
    metrics = last_evaluations(runs)["sft"]
    assert metrics.pop("eval/verdict/exact") == [3, 4]
    assert metrics.keys() == {"eval/pass@1", "eval/greedy"}


def test_table_has_mean_and_sample_deviation(runs):
    # mean (50 + 70) / 2 = 60, sd sqrt(2 * 10^2 / 1) = 14.14
    text = table(last_evaluations(runs), ["eval/pass@1", "eval/greedy"])
    assert text.splitlines()[0] == "| stage | pass@1 | greedy |"
    assert text.splitlines()[2] == "| sft | 60.0 ± 14.1 | 85.0 ± 7.1 |"


def test_one_run_has_no_spread(runs):
    assert "| sft | 50.0 |" in table(last_evaluations(runs[:1]), ["eval/pass@1"])


def test_runs_of_different_recipes_are_refused(runs, tmp_path):
    other = workdir(tmp_path / "c", [evaluation("rl", 1, 0.1, 0.2)])
    with pytest.raises(ValueError, match=r"evaluated rl, but .* sft"):
        last_evaluations([*runs, other])
    with pytest.raises(ValueError, match="no workdirs"):
        last_evaluations([])


def test_figure_shows_every_run_and_the_mean(runs):
    axes = accuracy_over_training(runs).axes[0]
    assert len(axes.lines) == 2 * (2 + 1)  # sampled and greedy: two runs and their mean
    sampled_mean = axes.lines[2].get_ydata()
    assert sampled_mean[0] == pytest.approx(10) and sampled_mean[-1] == pytest.approx(60)
