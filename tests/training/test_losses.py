import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax import rl
from reasoning_jax.training import losses


def test_cross_entropy_by_hand():
    # softmax of ln(1 2 5) is 1/8 2/8 5/8
    logits = jnp.log(jnp.array([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]))
    found = losses.cross_entropy(logits, jnp.array([0, 2]))
    np.testing.assert_allclose(found, np.log([8, 8 / 5]), rtol=1e-6)


def test_worked_case(cases):
    case = cases("losses_models")
    logits, mask = jnp.array(case["logits"]), jnp.array([case["mask"]], bool)
    weights = rl.token_mean(mask)
    entropies = losses.cross_entropy(logits, jnp.array(case["labels"]))
    np.testing.assert_allclose(entropies, case["ce"], atol=1e-6)
    np.testing.assert_allclose(
        rl.weighted_sum(entropies[None], weights), case["mean_ce"], rtol=1e-6
    )
    squares = losses.z_loss(jax.nn.logsumexp(logits, axis=-1))
    mean = 1e-5 * rl.weighted_sum(squares[None], weights)
    np.testing.assert_allclose(mean, case["mean_z_1e5"], atol=1e-10)


def test_z_loss_pulls_the_normaliser_to_one():
    # d lse²/dz = 2 lse softmax; lse = ln 8
    logits = jnp.log(jnp.array([1.0, 2.0, 5.0]))
    gradient = jax.grad(lambda z: losses.z_loss(jax.nn.logsumexp(z)))(logits)
    np.testing.assert_allclose(gradient, 2 * np.log(8) * np.array([1, 2, 5]) / 8, rtol=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
    found = losses.cross_entropy(jnp.zeros((1, 1000), jnp.bfloat16), jnp.array([3]))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, [np.log(1000)], rtol=1e-6)
