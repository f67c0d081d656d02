import jax.numpy as jnp
import numpy as np

from reasoning_jax import rl


def test_bonus_is_minus_entropy_and_ignores_padding():
    mask = jnp.array([[True, True, False]])
    bonus = rl.entropy_bonus(jnp.array([[0.2, 0.4, jnp.nan]]), mask)
    np.testing.assert_allclose(bonus, [[-0.2, -0.4, 0]])
    np.testing.assert_allclose(rl.weighted_sum(bonus, rl.token_mean(mask)), -0.3, rtol=1e-6)
