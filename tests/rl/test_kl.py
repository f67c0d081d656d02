import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl

ONE = jnp.ones((1, 1))


@pytest.mark.parametrize(
    "estimator, d, value, gradient",
    [
        (rl.k1, 2.0, 2.0, 1.0),
        (rl.k2, 2.0, 2.0, 2.0),
        (rl.k3, 2.0, 1.135335, 0.864665),  # e^-2 - 1 + 2; 1 - e^-2
        (rl.k1, -2.0, -2.0, 1.0),
        (rl.k2, -2.0, 2.0, -2.0),
        (rl.k3, -2.0, 4.389056, -6.389056),  # e^2 - 1 - 2; 1 - e^2
    ],
)
def test_value_and_gradient(estimator, d, value, gradient):
    ref = -3 * ONE
    found, pullback = jax.vjp(lambda x: estimator(x, ref, ONE.astype(bool)), ref + d)
    np.testing.assert_allclose(found, [[value]], rtol=1e-6)
    np.testing.assert_allclose(pullback(ONE)[0], [[gradient]], rtol=1e-6)


def test_worked_case(cases):
    case = next(c for c in cases("grpo_family")["cases"] if c["id"] == "kl_estimators")
    new, ref = jnp.array(case["inputs"]["new_logp"]), jnp.array(case["inputs"]["ref_logp"])
    mask = jnp.array(case["inputs"]["mask"], bool)
    for name in ("k1", "k2", "k3"):
        estimate = getattr(rl, name)(new, ref, mask)
        np.testing.assert_allclose(estimate, case["expected"][name], atol=1e-6)
        mean = rl.weighted_sum(estimate, rl.token_mean(mask))
        np.testing.assert_allclose(mean, case["expected"][f"mean_{name}"], atol=1e-6)


def test_expected_gradients_over_the_policy():
    """E_π[∂k/∂θ]: 0 for k1, ∇KL(π‖ref) for k2, ∇KL(ref‖π) for k3."""
    logits, ref = jnp.array([0.3, -0.5, 1.0]), jax.nn.log_softmax(jnp.array([1.0, 0.2, -0.4]))

    def expected(estimator):
        def mean(z):
            log_p = jax.nn.log_softmax(z)
            samples = jax.lax.stop_gradient(jnp.exp(log_p))
            return jnp.sum(samples * estimator(log_p[None], ref[None], True))

        return jax.grad(mean)(logits)

    def reverse_kl(z):
        log_p = jax.nn.log_softmax(z)
        return jnp.sum(jnp.exp(log_p) * (log_p - ref))

    def forward_kl(z):
        return jnp.sum(jnp.exp(ref) * (ref - jax.nn.log_softmax(z)))

    np.testing.assert_allclose(expected(rl.k1), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(expected(rl.k2), jax.grad(reverse_kl)(logits), atol=1e-6)
    np.testing.assert_allclose(expected(rl.k3), jax.grad(forward_kl)(logits), atol=1e-6)
