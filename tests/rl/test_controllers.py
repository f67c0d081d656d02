"""Coefficients that follow a measurement, by hand."""

import pytest

from reasoning_jax.rl import controllers


def test_fixed_stays():
    assert controllers.fixed(0.3, 7.0) == 0.3


def test_towards_target_steps_and_stays_within():
    def move(coefficient, entropy):
        return controllers.towards_target(coefficient, entropy, target=0.2, step=0.1, most=0.5)

    assert move(0.3, 0.1) == pytest.approx(0.4)
    assert move(0.3, 0.4) == pytest.approx(0.2)
    assert move(0.3, 0.2) == 0.3
    assert (move(0.5, 0.0), move(0.0, 1.0)) == (0.5, 0.0)
    with pytest.raises(ValueError, match="step 0"):
        controllers.towards_target(0.1, 0.1, target=0.2, step=0)


def test_proportional_is_ziegler():
    # errors 0.1, then +0.2 and -0.2 after clipping
    def move(measured):
        return controllers.proportional(2.0, measured, target=0.1, horizon=10)

    assert move(0.11) == pytest.approx(2 * 1.01)
    assert (move(5.0), move(0.0)) == pytest.approx((2 * 1.02, 2 * 0.98))
    with pytest.raises(ValueError, match="target 0"):
        controllers.proportional(1.0, 1.0, target=0)
