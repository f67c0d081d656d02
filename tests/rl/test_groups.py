import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rl import groups

# group 2: 1, 0, 5 (mean 2); group 0: 4 alone and a nan row that is out
IDS = jnp.array([2, 0, 2, 0, 2])
ROWS = jnp.array([True, True, True, False, True])
VALUES = jnp.array([1.0, 4.0, 0.0, jnp.nan, 5.0])


def test_size_and_mean():
    np.testing.assert_array_equal(groups.size(IDS, ROWS), [3, 1, 3, 0, 3])
    np.testing.assert_allclose(groups.mean(VALUES, IDS, ROWS), [2, 4, 2, 0, 2], rtol=1e-6)


# squares 1 + 4 + 9 = 14: over 2 = 7, over 3 = 4.6667
@pytest.mark.parametrize("ddof, expected", [(1, 7**0.5), (0, (14 / 3) ** 0.5)])
def test_std(ddof, expected):
    std = groups.std(VALUES, IDS, ROWS, ddof=ddof)
    np.testing.assert_allclose(std, [expected, 0, expected, 0, expected], rtol=1e-6)


def test_deviation_and_constant():
    np.testing.assert_allclose(groups.deviation(VALUES, IDS, ROWS), [-1, 0, -2, 0, 3], rtol=1e-6)
    np.testing.assert_array_equal(
        groups.constant(VALUES, IDS, ROWS), [False, True, False, False, False]
    )


@pytest.mark.parametrize("rows", [3, 7, 10])
@pytest.mark.parametrize("eps", [0.0, 1e-6])
def test_equal_values_deviate_by_exactly_zero(rows, eps):
    # 0.1 has no finite binary form: sum / count need not give it back
    values = jnp.full(rows, 0.1)
    group = jnp.zeros(rows, jnp.int32), jnp.ones(rows, bool)
    for statistic in (groups.deviation, groups.std):
        np.testing.assert_array_equal(statistic(values, *group), np.zeros(rows))
    np.testing.assert_array_equal(groups.standardise(values, *group, eps=eps), np.zeros(rows))


def test_sums_are_float32_for_bfloat16_values():
    # in bfloat16, 257 ones sum to 256
    values = jnp.ones(257, jnp.bfloat16).at[0].set(0)
    mean = groups.mean(values, jnp.zeros(257, jnp.int32), jnp.ones(257, bool))
    np.testing.assert_allclose(mean[0], 256 / 257, rtol=1e-6)
