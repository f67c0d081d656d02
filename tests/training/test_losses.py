import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax import rl
from reasoning_jax.models import score_logits
from reasoning_jax.training import losses


def test_worked_case(cases):
    case = cases("losses_models")
    logits, mask = jnp.array(case["logits"]), jnp.array([case["mask"]], bool)
    weights = rl.token_mean(mask)
    scores = score_logits(logits, jnp.array(case["labels"]))
    entropies = -scores.logprobs
    np.testing.assert_allclose(entropies, case["ce"], atol=1e-6)
    np.testing.assert_allclose(
        rl.weighted_sum(entropies[None], weights), case["mean_ce"], rtol=1e-6
    )
    squares = losses.z_loss(scores.logsumexp)
    mean = 1e-5 * rl.weighted_sum(squares[None], weights)
    np.testing.assert_allclose(mean, case["mean_z_1e5"], atol=1e-10)


def test_z_loss_pulls_the_normaliser_to_one():
    # d lse²/dz = 2 lse softmax; lse = ln 8
    logits = jnp.log(jnp.array([1.0, 2.0, 5.0]))
    gradient = jax.grad(lambda z: losses.z_loss(jax.nn.logsumexp(z)))(logits)
    np.testing.assert_allclose(gradient, 2 * np.log(8) * np.array([1, 2, 5]) / 8, rtol=1e-6)
