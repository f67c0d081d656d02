"""Exponents of exact and of noisy power laws."""

import numpy as np
import pytest

from reasoning_jax.evals.scaling import fit_power_law, regret_over_data


def test_an_exact_law_is_found_exactly():
    x = np.array([1.0, 2, 4, 8])
    law = fit_power_law(x, 3 * x**-0.5)
    assert law.exponent == pytest.approx(0.5) and law.scale == pytest.approx(3)
    assert law.interval == pytest.approx(0, abs=1e-9) and law.points == 4
    assert np.isnan(fit_power_law([1, 2], [2, 1]).interval)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    x = np.array([1.0, 2, 4, 8, 16])
    laws = [fit_power_law(x, x**-0.3 * np.exp(0.1 * rng.normal(size=5))) for _ in range(1_000)]
    held = np.mean([abs(law.exponent - 0.3) < law.interval for law in laws])
    assert 0.93 < held < 0.97


def test_what_has_no_slope_is_refused():
    with pytest.raises(ValueError, match="two different x"):
        fit_power_law([2, 2], [1, 1])
    with pytest.raises(ValueError, match="positive"):
        fit_power_law([1, 2], [1, -1])


def test_regrets_of_a_stage():
    lines = [
        {"stage": "a", "step": 5, "eval/regret": 1.0},
        {"stage": "a", "step": 10, "eval/regret": 0.5},
        {"stage": "b", "step": 10, "eval/regret": 9.0},
        {"stage": "a", "step": 10, "train/loss": 2.0},
    ]
    assert regret_over_data(lines, "a") == ([5, 10], [1.0, 0.5])
    assert regret_over_data(lines, "a", first=6) == ([10], [0.5])
