import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl

LOSSES = jnp.array([[1.0, 1.0, 1.0, 1.0], [3.0, jnp.nan, jnp.inf, 9.0]])
MASK = jnp.array([[1, 1, 1, 1], [1, 0, 0, 0]], bool)
AGGREGATIONS = [
    rl.token_mean,
    rl.seq_mean_token_mean,
    rl.seq_mean_token_sum,
    functools.partial(rl.token_sum_constant, max_length=4),
]


@pytest.mark.parametrize(
    "aggregate, expected",
    # (4 + 3) / 5; (1 + 3) / 2; (4 + 3) / 2; (4 + 3) / (2 * 4)
    zip(AGGREGATIONS, [1.4, 2.0, 3.5, 0.875]),
)
def test_hand_worked(aggregate, expected):
    weights = aggregate(MASK)
    assert weights.dtype == jnp.float32
    assert weights.shape == MASK.shape
    np.testing.assert_allclose(rl.weighted_sum(LOSSES, weights), expected, rtol=1e-6)
    assert not weights[~MASK].any()


@pytest.mark.parametrize("aggregate", AGGREGATIONS)
def test_rows_without_tokens_do_not_count(aggregate):
    padded = jnp.concatenate([MASK, jnp.zeros((3, 4), bool)])
    np.testing.assert_array_equal(aggregate(padded)[:2], aggregate(MASK))


@pytest.mark.parametrize("aggregate", AGGREGATIONS)
def test_empty_batch_is_zero(aggregate):
    weights = aggregate(jnp.zeros((2, 3), bool))
    np.testing.assert_array_equal(weights, np.zeros((2, 3)))
    assert rl.weighted_sum(jnp.full((2, 3), jnp.nan), weights) == 0


def test_large_batches_do_not_overflow():
    # 4 rows * 2^30 does not fit into 32 bits
    weights = rl.token_sum_constant(jnp.ones((4, 1), bool), max_length=2**30)
    np.testing.assert_allclose(weights.sum(), 2.0**-30, rtol=1e-6)


def test_constant_must_be_positive():
    with pytest.raises(ValueError, match="max_length is 0"):
        rl.token_sum_constant(MASK, max_length=0)


def test_weighted_sum_is_blind_where_weight_is_zero():
    weights = rl.token_mean(MASK)
    gradient = jax.grad(rl.weighted_sum)(LOSSES, weights)
    np.testing.assert_array_equal(gradient, weights)


def test_weighted_sum_accumulates_bfloat16_in_float32():
    # 1000 ones in bfloat16 would stop at 256
    total = rl.weighted_sum(jnp.ones((1, 1000), jnp.bfloat16), jnp.ones((1, 1000)))
    assert total.dtype == jnp.float32
    assert total == 1000
