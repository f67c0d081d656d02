import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.preference import (
    ScoredBatch,
    SingleBatch,
    log_ratios,
    scored_log_ratios,
    scored_scalars,
    single_scalars,
)
from reasoning_jax.preference.pairs import ResponseIds, collate_scored, collate_singles
from reasoning_jax.preference.singles import MISMATCHED, OWN


def test_singles_stand_beside_the_next_other_prompts_response():
    rows = [
        ResponseIds((1, 2), (3,)),
        ResponseIds((1, 2), (4, 5)),
        ResponseIds((6,), (7, 8, 9)),
    ]
    batch = collate_singles(rows, [True, False, True], width=4)
    np.testing.assert_array_equal(
        batch.tokens,
        [
            [[1, 2, 3, 0], [1, 2, 7, 8]],  # cut at the end
            [[1, 2, 4, 5], [1, 2, 7, 8]],
            [[6, 7, 8, 9], [6, 3, 0, 0]],
        ],
    )
    np.testing.assert_array_equal(batch.lengths, [[3, 4], [4, 4], [4, 2]])
    assert batch.mask.sum(axis=-1).tolist() == [[1, 2], [2, 2], [3, 1]]
    assert batch.desirable.tolist() == [True, False, True]


def test_equal_prompts_have_no_mismatch():
    batch = collate_singles([ResponseIds((1,), (2,)), ResponseIds((1,), (3,))], [True, False], 4)
    assert not batch.mask[:, MISMATCHED].any() and batch.mask[:, OWN].any()


def test_log_ratios_of_singles():
    batch = SingleBatch(
        *[None] * 3,
        row_mask=jnp.array([True, False]),
        desirable=None,
        ref_logprobs=jnp.array([[-3.0, -4.0], [jnp.nan, jnp.nan]]),
    )
    value, gradient = jax.value_and_grad(lambda x: log_ratios(x, batch, OWN).sum())(
        jnp.array([-2.5, -1.0])
    )
    assert value == 0.5
    np.testing.assert_array_equal(gradient, [1, 0])
    assert log_ratios(jnp.array([-3.5, 0.0]), batch, MISMATCHED).tolist() == [0.5, 0]
    with pytest.raises(ValueError, match="ref_logprobs is None"):
        log_ratios(jnp.zeros(2), batch.replace(ref_logprobs=None), OWN)


def test_scalars_are_means_of_each_kind():
    scalars = single_scalars(
        jnp.array([1.0, 3.0, -2.0, 7.0]),
        jnp.array([True, True, False, False]),
        jnp.array([1 / 3, 1 / 3, 1 / 3, 0]),
        beta=0.5,
    )
    expected = {"rewards/chosen": 1.0, "rewards/rejected": -1.0, "rewards/margins": 2.0}
    assert {name: float(value) for name, value in scalars.items()} == pytest.approx(expected)
    alone = single_scalars(jnp.ones(1), jnp.array([True]), jnp.ones(1), beta=1.0)
    assert alone["rewards/rejected"] == 0


def test_scored_responses_as_arrays():
    groups = [[ResponseIds((1,), (2,)), ResponseIds((1,), (3, 4))], [ResponseIds((5,), (6,))]]
    batch = collate_scored(groups, [(1.0, 0.0), (0.5,)], width=4)
    assert batch.tokens.shape == (2, 2, 4) and not batch.mask[1, 1].any()
    assert batch.there.tolist() == [[True, True], [True, False]]
    assert batch.scores.tolist() == [[1.0, 0.0], [0.5, 0.0]]
    with pytest.raises(ValueError, match="group 0 has 2 responses, 1 scores"):
        collate_scored(groups, [(1.0,), (0.5,)], width=4)
    with pytest.raises(ValueError, match="group 0 has 3 tokens, more than the 2 of a row"):
        collate_scored(groups, [(1.0, 0.0), (0.5,)], width=2)


def test_scored_rewards_by_hand():
    there = jnp.array([[True, True, True], [True, True, False], [True, True, True]])
    batch = ScoredBatch(
        *[None] * 3,
        row_mask=jnp.array([True, True, False]),
        there=there,
        scores=jnp.array([[2.0, 1.0, 3.0], [0.0, 1.0, jnp.nan], [jnp.nan] * 3]),
        ref_logprobs=jnp.where(there, -1.0, jnp.nan),
    )
    logprobs = jnp.array([[0.0, -3.0, 1.0], [0.5, 0.0, jnp.nan], [jnp.nan] * 3])
    ratios = scored_log_ratios(logprobs, batch)
    np.testing.assert_array_equal(ratios, [[1, -2, 2], [1.5, 1, 0], [0, 0, 0]])
    weights = jnp.array([0.5, 0.5, 0.0])
    scalars = {k: float(v) for k, v in scored_scalars(ratios, batch, weights, beta=2.0).items()}
    # Best and worst: 2 and -2 in the first row, 1 and 1.5 in the second.
    assert scalars == pytest.approx(
        {
            "rewards/chosen": 2.0 * (2 + 1) / 2,
            "rewards/rejected": 2.0 * (-2 + 1.5) / 2,
            "rewards/margins": 2.0 * (4 - 0.5) / 2,
            "rewards/accuracies": 0.5,
        }
    )
    with pytest.raises(ValueError, match="ref_logprobs is None"):
        scored_log_ratios(logprobs, batch.replace(ref_logprobs=None))
