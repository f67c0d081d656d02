"""The ranking model's loss over groups, by hand and against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rewards import (
    group_pairs,
    group_ranking_loss,
    ranking_accuracy,
    ranking_slopes,
)

NAN = jnp.nan


def batch():
    """Group 0: right 1, 0.2 and wrong -0.5, 0.3; group 4: all right; group 2: a pair; a row out."""
    scores = jnp.array([1.0, -0.5, 0.7, 0.2, 0.3, -1.0, 2.0, 0.5, NAN])
    right = jnp.array([1, 0, 1, 1, 0, 1, 0, 1, 0], bool)
    group_ids = jnp.array([0, 0, 4, 0, 0, 4, 2, 2, 0])
    row_mask = jnp.arange(9) < 8
    return scores, right, group_ids, row_mask


def test_weights_of_pairs():
    _, *rest = batch()
    pairs = group_pairs(*rest)
    expected = np.zeros((9, 9))
    expected[np.ix_([0, 3], [1, 4])] = 1 / 4 / 2
    expected[7, 6] = 1 / 2
    np.testing.assert_allclose(pairs, expected, rtol=1e-6)


def test_the_listwise_case(cases):
    case = next(c for c in cases("other_seeds")["cases"] if c["id"] == "rstar_ppm")
    right, wrong = case["inputs"]["pos"], case["inputs"]["neg"]
    scores = jnp.array(right + wrong)
    pairs = group_pairs(jnp.arange(4) < 2, jnp.zeros(4, int), jnp.ones(4, bool))
    np.testing.assert_allclose(
        group_ranking_loss(scores, pairs), case["expected"]["loss"], atol=1e-6
    )
    slopes = case["expected"]["grad_pos"] + case["expected"]["grad_neg"]
    np.testing.assert_allclose(ranking_slopes(scores, pairs), slopes, atol=1e-6)


def test_slopes_are_the_gradient_and_blind_to_rows_out():
    scores, *rest = batch()
    pairs = group_pairs(*rest)
    slopes = ranking_slopes(scores, pairs)
    clean = jnp.where(jnp.isnan(scores), 0, scores)
    gradient = jax.grad(group_ranking_loss)(clean, pairs)
    np.testing.assert_allclose(slopes, gradient, atol=1e-7)
    assert np.isfinite(group_ranking_loss(scores, pairs))
    assert not np.any(jax.grad(lambda x: ranking_slopes(x, pairs).sum())(clean))


def test_accuracy_is_a_share_of_weights():
    scores, *rest = batch()
    # Of group 0, 1.0 beats both and 0.2 one; the pair of group 2 is the wrong way round.
    assert ranking_accuracy(scores, group_pairs(*rest)) == pytest.approx(3 / 8)


def test_no_pairs_is_zero():
    pairs = group_pairs(jnp.ones(3, bool), jnp.zeros(3, int), jnp.ones(3, bool))
    assert not pairs.any() and group_ranking_loss(jnp.arange(3.0), pairs) == 0
    assert not ranking_slopes(jnp.arange(3.0), pairs).any()
