import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from reasoning_jax.preference import kl_estimate, kto

ALL = jnp.ones(5, bool)


def test_worked_cases(cases):
    worked = cases("dpo_family")["expected"]["kto"]
    policy, reference = jnp.array(worked["policy_logp"]), jnp.array(worked["ref_logp"])
    desirable = jnp.array(worked["desirable"], bool)
    weights = {key: worked[key] for key in ("beta", "desirable_weight", "undesirable_weight")}

    def mean(policy, kl):
        losses = kto(policy - reference, desirable, kl, **weights)
        return losses.mean(), losses

    mismatched = jnp.array(worked["kl_policy_logp"]) - jnp.array(worked["kl_ref_logp"])
    kl = kl_estimate(mismatched, ALL)
    assert float(kl) == pytest.approx(worked["kl"], abs=1e-6)
    (value, losses), gradient = jax.value_and_grad(mean, has_aux=True)(policy, kl)
    np.testing.assert_allclose(losses, worked["per_example"], rtol=1e-6)
    np.testing.assert_allclose(value, worked["mean"], rtol=1e-6)
    np.testing.assert_allclose(gradient, worked["grad_mean_wrt_policy_logp"], atol=1e-7)

    # The same ratios the other way round: a negative estimate counts as 0.
    second = worked["second_case_negative_kl"]
    kl = kl_estimate(-mismatched, ALL)
    assert float(kl) == second["kl"]
    np.testing.assert_allclose(mean(policy, kl)[0], second["mean"], rtol=1e-6)


def test_the_estimate_is_a_constant_blind_to_what_is_masked():
    mask = jnp.array([True, True, False, True, False])
    ratios = jnp.array([0.3, -0.1, jnp.nan, 0.7, jnp.inf])
    value, gradient = jax.value_and_grad(lambda r: kl_estimate(r, mask))(ratios)
    assert float(value) == pytest.approx(0.3)
    np.testing.assert_array_equal(gradient, 0)
    assert kl_estimate(ratios, jnp.zeros(5, bool)) == 0


def test_the_estimate_is_global_over_devices():
    """Three quarters of the rows that have one lie on two of eight devices."""
    ratios = jnp.linspace(-1, 2, 32)
    mask = jnp.arange(32) < 8
    placed = NamedSharding(Mesh(jax.devices(), "data"), PartitionSpec("data"))
    spread = jax.jit(kl_estimate)(jax.device_put(ratios, placed), jax.device_put(mask, placed))
    expected = max(0.0, float(np.mean(np.linspace(-1, 2, 32)[:8])))
    assert float(spread) == pytest.approx(expected, abs=1e-6)
    other = jax.jit(kl_estimate)(jax.device_put(ratios, placed), jax.device_put(~mask, placed))
    assert float(other) == pytest.approx(float(np.mean(np.linspace(-1, 2, 32)[8:])), rel=1e-6)


def test_at_the_estimate_each_loss_is_half_its_weight():
    losses = kto(
        jnp.full(2, 0.4),
        jnp.array([True, False]),
        jnp.float32(0.4),
        desirable_weight=1.5,
        undesirable_weight=3.0,
    )
    np.testing.assert_allclose(losses, [0.75, 1.5], rtol=1e-6)
