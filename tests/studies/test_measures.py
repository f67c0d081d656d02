"""Measures of a run, and statistics over seeds, by hand."""

import math

import pytest

from reasoning_jax.studies import curve_mean, last, ratio
from reasoning_jax.studies.measures import spent
from reasoning_jax.studies.statistics import mean_and_sd, paired_difference

LINES = [
    {"stage": "sft", "step": 1, "eval/pass@1": 0.1},
    {"stage": "rl", "step": 0, "eval/pass@1": 0.2},
    {"stage": "rl", "step": 1, "rl/length": 3.0, "rl/verdict/exact": 5, "rl/verdict/format": 3},
    {"stage": "rl", "step": 2, "rl/length": 4.0, "rl/verdict/exact": 8, "calls": 2.0},
    {"stage": "rl", "step": 2, "eval/pass@1": 0.4},
    {"stage": "rl", "step": 4, "eval/pass@1": 0.8, "none": None},
]


def test_last_and_mean_of_a_curve():
    assert last("rl", "eval/pass@1")(LINES) == 0.8
    assert last("sft", "calls", absent=0.0)(LINES) == 0.0
    assert last("rl", "calls", absent=0.0)(LINES) == 2.0
    # Trapezia: (0.2 + 0.4)/2 * 2 + (0.4 + 0.8)/2 * 2 = 1.8 over 4 steps
    assert curve_mean("rl", "eval/pass@1")(LINES) == pytest.approx(0.45)
    assert curve_mean("sft", "eval/pass@1")(LINES) == 0.1
    assert ratio(last("rl", "eval/pass@1"), last("rl", "calls"))(LINES) == pytest.approx(0.4)
    assert math.isnan(ratio(last("rl", "calls"), lambda lines: 0.0)(LINES))


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match=r"no 'eval/x' in stage 'rl'; .* stages sft, rl"):
        last("rl", "eval/x")(LINES)
    with pytest.raises(ValueError, match="no 'none' in stage 'rl'"):
        last("rl", "none")(LINES)


def test_spending_counts_completions_by_their_verdicts():
    # 5 + 3 completions of 3 tokens, 8 of 4
    assert spent(LINES, "rl") == {"steps": 4, "completions": 16, "tokens": 56}
    assert spent(LINES, "dpo") == {"steps": 0, "completions": 0, "tokens": 0}


def test_paired_difference_by_hand():
    # Differences 1, 2, 3: mean 2, sd 1, t_{0.975,2} = 4.302653
    found = paired_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found.mean == 2 and found.pairs == 3
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_a_failed_run_leaves_its_pair_out():
    assert paired_difference([2.0, None, 6.0], [1.0, 2.0, 3.0]).pairs == 2
    one = paired_difference([2.0, None], [1.0, 2.0])
    assert one.mean == 1 and math.isnan(one.half_width)
    assert math.isnan(paired_difference([None], [1.0]).mean)
    with pytest.raises(ValueError, match="2 values against 1"):
        paired_difference([1.0, 2.0], [1.0])


def test_mean_and_sample_deviation():
    assert mean_and_sd([1.0, 3.0, None]) == (2.0, pytest.approx(math.sqrt(2)))
    assert mean_and_sd([1.0])[0] == 1.0 and math.isnan(mean_and_sd([1.0])[1])
    assert math.isnan(mean_and_sd([None])[0])
