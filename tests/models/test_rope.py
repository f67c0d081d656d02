import math

import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.config import RopeScaling
from reasoning_jax.models.rope import cos_sin, frequencies, rotate

PLAIN = RopeScaling()


def test_plain_frequencies():
    # theta^(-2i/d) with theta = 10000, d = 8: 1, 1/10, 1/100, 1/1000
    frequency, multiplier = frequencies(8, 1e4, PLAIN)
    np.testing.assert_allclose(frequency, [1, 0.1, 0.01, 0.001])
    assert multiplier == 1.0


def test_linear_divides_by_the_factor():
    frequency, multiplier = frequencies(8, 1e4, RopeScaling("linear", 4.0))
    np.testing.assert_allclose(frequency, [0.25, 0.025, 0.0025, 0.00025])
    assert multiplier == 1.0


def test_llama3_keeps_short_waves_and_divides_long_ones():
    scaling = RopeScaling("llama3", 8.0, 8192, 1.0, 4.0)
    plain, _ = frequencies(128, 5e5, PLAIN)
    got, multiplier = frequencies(128, 5e5, scaling)
    expected = []
    for f in plain:
        wavelength = 2 * math.pi / f
        if wavelength < 8192 / 4:
            expected.append(f)
        elif wavelength > 8192 / 1:
            expected.append(f / 8)
        else:
            smooth = (8192 / wavelength - 1) / (4 - 1)
            expected.append((1 - smooth) * f / 8 + smooth * f)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    kinds = [(np.isclose(g, f), np.isclose(g, f / 8)) for g, f in zip(got, plain)]
    assert {(True, False), (False, True), (False, False)} == set(kinds)
    assert multiplier == 1.0


@pytest.mark.parametrize("attention_factor", [None, 1.25])
def test_yarn_blends_by_rotations(attention_factor):
    d, theta, length, factor = 64, 1e4, 2048, 4.0
    scaling = RopeScaling("yarn", factor, length, attention_factor=attention_factor)
    plain, _ = frequencies(d, theta, PLAIN)
    got, multiplier = frequencies(d, theta, scaling)

    # The pair that turns r times over the original context: length · theta^(-2i/d) = 2 pi r.
    def pair(rotations):
        return d / 2 * math.log(length / (2 * math.pi * rotations), theta)

    low, high = math.floor(pair(32)), math.ceil(pair(1))
    expected = []
    for i, f in enumerate(plain):
        stretched = min(max((i - low) / (high - low), 0), 1)
        expected.append(f * (1 - stretched) + f / factor * stretched)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose(got[: low + 1], plain[: low + 1])
    np.testing.assert_allclose(got[high:], plain[high:] / factor)
    # 0.1 ln 4 + 1 = 1.1386294
    assert multiplier == pytest.approx(attention_factor or 1.1386294, abs=1e-7)


def test_every_scaling_parameter_changes_the_frequencies():
    llama3 = dict(kind="llama3", factor=8.0, original_max_position=64)
    yarn = dict(kind="yarn", factor=8.0, original_max_position=64, beta_fast=8.0)
    changes = [
        (llama3, dict(factor=4.0)),
        (llama3, dict(original_max_position=32)),
        (llama3, dict(low_freq_factor=2.0)),
        (llama3, dict(high_freq_factor=8.0)),
        (yarn, dict(factor=4.0)),
        (yarn, dict(original_max_position=256)),
        (yarn, dict(beta_fast=2.0)),
        (yarn, dict(beta_slow=0.1)),
    ]
    for base, change in changes:
        before, _ = frequencies(32, 1e4, RopeScaling(**base))
        after, _ = frequencies(32, 1e4, RopeScaling(**base | change))
        assert np.abs(np.log(before / after)).max() > 1e-3, change


def test_rotation_turns_each_pair_by_its_angle():
    # d = 4: pairs (0, 2) and (1, 3), angles 3 · 1 and 3 · 0.01 at position 3, theta 10000.
    x = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    table = cos_sin(jnp.array([[3]]), *frequencies(4, 1e4, PLAIN))
    a, b = 3.0, 0.03
    expected = [
        math.cos(a) * 1 - math.sin(a) * 3,
        math.cos(b) * 2 - math.sin(b) * 4,
        math.cos(a) * 3 + math.sin(a) * 1,
        math.cos(b) * 4 + math.sin(b) * 2,
    ]
    np.testing.assert_allclose(rotate(x, *table)[0, 0, 0], expected, atol=1e-6)


def test_scores_depend_on_the_distance_alone():
    rng = np.random.default_rng(0)
    q, k = (jnp.asarray(rng.normal(size=(1, 1, 1, 8)), jnp.float32) for _ in range(2))
    spec = frequencies(8, 1e4, PLAIN)

    def score(i, j):
        at = lambda x, p: rotate(x, *cos_sin(jnp.array([[p]]), *spec))  # noqa: E731
        return float(jnp.vdot(at(q, i), at(k, j)))

    assert score(5, 2) == pytest.approx(score(105, 102), abs=1e-4)
    assert score(5, 2) != pytest.approx(score(5, 3), abs=1e-3)


def test_the_multiplier_scales_both_tables():
    cos, sin = cos_sin(jnp.array([[0, 1]]), np.array([1.0]), 1.5)
    np.testing.assert_allclose(cos[0, :, 0], [1.5, 1.5 * math.cos(1)], rtol=1e-6)
    np.testing.assert_allclose(sin[0, :, 0], [0, 1.5 * math.sin(1)], rtol=1e-6)


def test_numpy_positions_give_numpy_tables_that_agree():
    frequency, multiplier = frequencies(8, 1e4, RopeScaling("yarn", 4.0, 64))
    positions = np.arange(300)[None]
    found = cos_sin(positions, frequency, multiplier)
    assert all(isinstance(table, np.ndarray) and table.dtype == np.float32 for table in found)
    for table, expected in zip(found, cos_sin(jnp.asarray(positions), frequency, multiplier)):
        np.testing.assert_allclose(table, expected, atol=3e-7)
