"""From finished runs to results, table and figures, with a stand-in for training."""

import json
import pathlib
import sys

import pytest

from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, curve_mean, last
from reasoning_jax.studies.figures import figures
from reasoning_jax.studies.jobs import run_jobs
from reasoning_jax.studies.plan import plan
from reasoning_jax.studies.results import collect, finished_lines
from reasoning_jax.studies.tables import page, table

STAND_IN = [sys.executable, str(pathlib.Path(__file__).with_name("stand_in.py"))]


def study(arms, **options):
    fields = {
        "measures": (
            Measure("pass@1", last("rl", "eval/pass@1")),
            Measure("length", curve_mean("rl", "rl/length"), unit="tokens"),
        ),
        "budget": Budget("completions"),
        "curves": (Curve("rl", "eval/pass@1", "pass@1"), Curve("rl", "rl/kl", "kl", unit="")),
    }
    return Study("s", "Which?", arms, next(iter(arms)), **fields | options)


@pytest.fixture
def ran(tmp_path):
    def run(one, seeds=2):
        jobs = plan(one, {}, tmp_path, tmp_path, seeds)
        failures = run_jobs(jobs, STAND_IN, 1, lambda line: None)
        return collect(one, jobs, seeds, failures), finished_lines(one, jobs)

    return run


def test_table_has_means_differences_and_budgets(ran):
    one = study({"a": Arm("c.py"), "b": Arm("c.py", {"value": 0.7})})
    results, _ = ran(one)
    json.dumps(results)
    # a: 0.5, 0.6; b: 0.7, 0.8: differences 0.2, 0.2 without spread
    rows = table(one, results).splitlines()
    assert rows[0] == "| arm | pass@1, % | Δ | length, tokens | Δ |"
    assert rows[2] == "| **a** (baseline) | 55.0 ± 7.07 |  | 4.00 ± 0.000 |  |"
    assert rows[3].startswith("| b | 75.0 ± 7.07 | **+20.0 [20.0, 20.0]** | 4.00")
    text = page(one, results)
    # 2 steps of 8 completions of 4 tokens
    assert "| a | 2 | 16 | 64 |" in text and "equal within 5 %." in text
    assert "Student's t over paired differences" in text


def test_a_failed_arm_leaves_holes_and_its_reason(ran):
    one = study({"a": Arm("c.py"), "b": Arm("c.py", {"act": "never"})})
    results, lines = ran(one)
    assert results["arms"]["b"]["measures"]["pass@1"] == [None, None]
    assert lines["b"] == [] and len(lines["a"]) == 2
    text = page(one, results)
    assert "| b | none |" in text and "- `b/seed0`: error: nothing to be done" in text
    assert "pass@1" in figures(one, results, lines)


def test_curves_are_of_the_seeds_that_all_arms_have(ran, tmp_path):
    one = study({"a": Arm("c.py"), "b": Arm("c.py", {"value": 0.7})})
    _, lines = ran(one)
    assert [len(lines[arm]) for arm in "ab"] == [2, 2]
    (tmp_path / "b/seed1.json").unlink()  # as if it had not run yet
    jobs = plan(one, {}, tmp_path, tmp_path, 2)
    assert finished_lines(one, jobs) == {arm: lines[arm][:1] for arm in "ab"}


def test_unequal_budgets_are_named(ran):
    one = study({"a": Arm("c.py"), "b": Arm("c.py")})
    results, _ = ran(one)
    results["arms"]["b"]["budget_off"] = 0.3
    assert "equal within 5 %, but for b +30 %." in page(one, results)


def test_a_measure_that_no_run_logs_is_named(ran):
    with pytest.raises(ValueError, match=r"measure 'x' of a/seed0: no 'eval/x' in stage 'rl'"):
        ran(study({"a": Arm("c.py")}, measures=(Measure("x", last("rl", "eval/x")),)))


def test_figures_hold_what_was_logged(ran):
    one = study({"a": Arm("c.py"), "b": Arm("c.py", {"value": 0.7})})
    results, lines = ran(one)
    made = figures(one, results, lines)
    assert set(made) == {"pass@1", "final"}  # no run logged a KL
    curve = made["pass@1"].axes[0]
    assert [line.get_label() for line in curve.lines] == ["a", "b"]
    # b, step 2: (70 + 80) / 2
    assert curve.lines[1].get_ydata()[-1] == pytest.approx(75)
    # Both arms have the same length, which is left out.
    assert [axes.get_xlabel() for axes in made["final"].axes] == ["pass@1, %"]


def test_many_arms_get_panels_with_the_baseline_behind(ran):
    one = study({name: Arm("c.py") for name in "abcdefgh"})
    results, lines = ran(one, seeds=1)
    panels = [axes for axes in figures(one, results, lines)["pass@1"].axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == list("bcdefgh")
    assert all(len(axes.lines) == 2 for axes in panels)


def test_pass_at_k_is_drawn_over_k_beside_the_shared_warm_up():
    one = study({"a": Arm("c.py")}, pass_at_k=("after", "before"))
    values = {f"eval/pass@{k}": 0.1 * k for k in (1, 2, 4)} | {"eval/pass@1_interval": 0.1}
    lines = [{"stage": stage, "step": 0, **values} for stage in ("before", "after")]
    results = {"arms": {"a": {"measures": {"pass@1": [0.1], "length": [None]}}}}
    axes = figures(one, results, {"a": [lines]})["pass_at_k"].axes[0]
    assert [line.get_label() for line in axes.lines] == ["a", "before"]
    assert list(axes.lines[0].get_xdata()) == [1, 2, 4]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([10, 20, 40])
