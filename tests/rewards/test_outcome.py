"""The loss of a model that judges answers one by one."""

import jax
import numpy as np
import pytest

from reasoning_jax.rewards import outcome_loss


def test_cross_entropy_by_hand():
    scores = np.array([[2.0, -1.0, np.nan], [0.0, np.nan, np.nan], [np.nan] * 3])
    right = np.array([[True, False, True], [False, True, True], [True, True, True]])
    mask = np.array([[True, True, False], [True, False, False], [False, False, False]])
    losses = outcome_loss(scores, right, mask)
    # log(1 + e^-2) and log(1 + e^-1); log 2; nothing
    expected = [(np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2, np.log(2), 0]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    slopes = jax.grad(lambda s: outcome_loss(s, right, mask).sum())(scores)
    assert np.isfinite(slopes).all() and slopes[1, 0] == pytest.approx(0.5)
    assert not slopes[~mask].any()
