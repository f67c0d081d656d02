import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rl import rewards


def test_soft_overlong_by_hand():
    # 0 up to 8 of 12, then a quarter of a point per token down to -1
    penalty = rewards.soft_overlong(jnp.array([0, 8, 9, 10, 12, 13]), max_length=12, cache=4)
    np.testing.assert_allclose(penalty, [0, 0, -0.25, -0.5, -1, -1])
    assert penalty.dtype == jnp.float32


def test_soft_overlong_case(cases):
    case = next(c for c in cases("grpo_family")["cases"] if c["id"] == "dapo_soft_overlong")
    inputs = case["inputs"]
    penalty = rewards.soft_overlong(
        jnp.array(inputs["lengths"]), max_length=inputs["L_max"], cache=inputs["L_cache"]
    )
    np.testing.assert_allclose(penalty, case["expected"]["penalty"], atol=1e-6)


@pytest.mark.parametrize("cache", [0, -1, 13])
def test_soft_overlong_refuses_a_cache_outside_the_length(cache):
    with pytest.raises(ValueError, match=f"cache is {cache}"):
        rewards.soft_overlong(jnp.array([1]), max_length=12, cache=cache)


def test_r1_style():
    total = rewards.r1_style(jnp.array([1, 0, 1, 0]), jnp.array([True, True, False, False]))
    np.testing.assert_array_equal(total, [2.0, 1.0, 1.0, 0.0])
    assert total.dtype == jnp.float32
