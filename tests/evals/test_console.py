"""What the terminal shows, on a terminal and off it."""

import io

import pytest
from rich.console import Console

from reasoning_jax.evals import console as console_module
from reasoning_jax.evals.console import (
    duration,
    evaluation_names,
    evaluation_table,
    progress,
    short_number,
    show_change,
    show_measurement,
    show_value,
)


class Clock:
    """Stands for the time module; its monotonic time is set by the test."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console_module, "time", clock)
    return clock


def plain():
    return Console(file=io.StringIO(), force_terminal=False, width=100)


def test_off_a_terminal_a_line_every_ten_seconds_and_one_at_the_end(clock):
    console = plain()
    with progress(100, "rl", console=console) as bar:
        for step in range(1, 26):
            clock.now = float(step)
            bar.update(step, {"rl/reward": step / 100, "perf/tokens_per_s": 12345.0})
    # From the first update on: one second a step, so 90 seconds at step 10.
    assert console.file.getvalue().splitlines() == [
        "rl  10/100  reward 0.1  12.3k tokens/s  1:30 left",
        "rl  20/100  reward 0.2  12.3k tokens/s  1:20 left",
        "rl  25/100  reward 0.25  12.3k tokens/s  1:15 left",
    ]


def test_the_last_line_is_not_repeated(clock):
    console = plain()
    with progress(1, "sft", console=console) as bar:
        clock.now = 30.0
        bar.update(1, {"train/loss": 0.5})
    assert console.file.getvalue() == "sft  1/1  loss 0.5\n"


def test_a_failing_stage_leaves_its_last_line(clock):
    console = plain()
    with pytest.raises(KeyError), progress(9, "sft", console=console) as bar:
        bar.update(4)
        raise KeyError
    assert console.file.getvalue() == "sft  4/9\n"


def test_time_left_of_a_resumed_run_counts_its_own_steps(clock):
    with progress(100, "rl", start=50, console=plain()) as bar:
        assert bar.seconds_left() is None
        bar.update(51)
        clock.now = 8.0
        bar.update(55)
        # 4 steps in 8 seconds; 45 steps left.
        assert bar.seconds_left() == pytest.approx(90.0)


def test_metrics_stay_until_they_are_reported_again(clock):
    with progress(2, "rl", console=plain()) as bar:
        bar.update(1, {"rl/reward": 0.5, "eval/greedy": 0.25, "rl/clip_low": 0.1})
        bar.update(2, {"rl/reward": None})
        assert bar.summary() == "reward 0.5  greedy 25.0%"


def test_on_a_terminal_a_bar_with_steps_and_metrics():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, legacy_windows=False)
    with progress(20, "rl", console=console) as bar:
        bar.update(20, {"rl/reward": 0.75})
    shown = console.file.getvalue()
    assert "20/20" in shown and "reward 0.75" in shown and "━" in shown


def test_evaluation_table_shows_intervals_and_the_change():
    console = plain()
    before = {"eval/pass@1": 0.25, "eval/pass@1_interval": 0.02, "eval/length": 100.0}
    after = {
        "rl/reward": 1.0,
        "eval/length": 90.5,
        "eval/pass@1": 0.625,
        "eval/pass@1_interval": 0.0215,
        "eval/greedy": 0.7,
    }
    evaluation_table("rl, step 300", after, before, console=console)
    title, _, head, _, *rows = [line.split() for line in console.file.getvalue().splitlines()]
    rows = [row for row in rows if row]
    assert title == ["rl,", "step", "300"]
    assert head == ["before", "now", "change"]
    assert rows == [
        ["pass@1", "25.0%", "±", "2.0", "62.5%", "±", "2.1", "+37.5"],
        ["greedy", "–", "70.0%"],
        ["length", "100", "90.5", "−9.5"],
    ]


def test_evaluation_table_alone_has_no_column_of_changes():
    console = plain()
    evaluation_table("start", {"eval/maj@8": 0.5}, console=console)
    text = console.file.getvalue()
    assert "change" not in text and "before" not in text
    assert "maj@8" in text and "50.0%" in text


def test_evaluation_names_come_in_reading_order():
    shuffled = [
        "length",
        "pass@16",
        "pass@8",
        "maj@8",
        "truncated",
        "f1",
        "greedy_interval",
        "greedy",
        "pass@1",
    ]
    line = {"stage": "rl", **{f"eval/{name}": 0.0 for name in shuffled}}
    assert [name.removeprefix("eval/") for name in evaluation_names(line)] == [
        *("pass@1", "greedy", "maj@8", "pass@8", "pass@16", "truncated", "length", "f1")
    ]


def test_numbers_as_people_read_them():
    assert show_value("eval/pass@1", 0.6712) == "67.1%"
    assert show_value("eval/length", 123.4) == "123"
    assert show_value("eval/f1", None) == "–"
    metrics = {"eval/length": 90.0, "eval/length_interval": 1.25}
    assert show_measurement("eval/length", metrics) == "90 ± 1.25"
    assert show_change("eval/greedy", 0.5, 0.375) == "−12.5"
    assert show_change("eval/length", 100.0, 112.0) == "+12"
    assert show_change("eval/length", None, 112.0) == ""
    shown = {0.01324: "0.0132", 4096: "4096", 12345: "12.3k", 999_999: "1000k", 2.5e6: "2.5M"}
    assert {value: short_number(value) for value in shown} == shown
    assert short_number(7e9) == "7G"
    assert [duration(s) for s in (0, 42, 725, 11220)] == ["0:00", "0:42", "12:05", "3:07:00"]
