import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax import rl

PROBABILITIES = jnp.array([0.5, 0.25, 0.25])


def test_known_distributions():
    # 0.5 ln 2 + 2 * 0.25 ln 4 = 1.5 ln 2; uniform over 4: 2 ln 2
    np.testing.assert_allclose(rl.token_entropy(jnp.log(PROBABILITIES)), 1.5 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(
        rl.token_entropy(jnp.full((2, 3, 4), 7.0)), np.full((2, 3), 2 * np.log(2)), rtol=1e-6
    )


def test_gradient():
    # -p_v (ln p_v + H) with H = 1.5 ln 2: -0.5 * 0.5 ln 2 and 0.25 * 0.5 ln 2
    gradient = jax.grad(rl.token_entropy)(jnp.log(PROBABILITIES))
    np.testing.assert_allclose(gradient, np.log(2) * np.array([-0.25, 0.125, 0.125]), rtol=1e-5)


def test_impossible_tokens_change_nothing():
    logits = jnp.append(jnp.log(PROBABILITIES), -jnp.inf)
    entropy, gradient = jax.value_and_grad(rl.token_entropy)(logits)
    np.testing.assert_allclose(entropy, 1.5 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(
        gradient, np.log(2) * np.array([-0.25, 0.125, 0.125, 0]), rtol=1e-5, atol=1e-7
    )


def test_bfloat16_logits_are_summed_in_float32():
    entropy = rl.token_entropy(jnp.zeros(1000, jnp.bfloat16))
    assert entropy.dtype == jnp.float32
    np.testing.assert_allclose(entropy, np.log(1000), rtol=1e-6)


def test_bonus_is_minus_entropy_and_ignores_padding():
    mask = jnp.array([[True, True, False]])
    bonus = rl.entropy_bonus(jnp.array([[0.2, 0.4, jnp.nan]]), mask)
    np.testing.assert_allclose(bonus, [[-0.2, -0.4, 0]])
    np.testing.assert_allclose(rl.weighted_sum(bonus, rl.token_mean(mask)), -0.3, rtol=1e-6)
