"""The step size of an energy model has a learning rate of its own and does not decay."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.training.optimizers import adamw, decay_all
from reasoning_jax.training.step_size import spare_step_size, with_step_size_rate

PARAMS = {"step_size": jnp.float32(5.0), "decoder": {"kernel": jnp.ones((2, 2))}}
GRADS = {"step_size": jnp.float32(1e-3), "decoder": {"kernel": jnp.full((2, 2), 0.2)}}


def updates_of(optimizer):
    return optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)[0]


@pytest.mark.parametrize("rate", [0.0, 30.0])
def test_adam_moves_it_at_its_own_rate(rate):
    plain = optax.adam(1e-2, eps=0)
    found = updates_of(with_step_size_rate(plain, rate))
    # The first step of Adam is its rate, whatever the gradient.
    np.testing.assert_allclose(found["step_size"], -1e-2 * rate, rtol=1e-4)
    np.testing.assert_allclose(found["decoder"]["kernel"], -1e-2, rtol=1e-4)
    with pytest.raises(ValueError, match="step_size_rate is -1"):
        with_step_size_rate(plain, -1)


def test_it_does_not_decay():
    optimizer = adamw(
        optax.constant_schedule(1e-2), weight_decay=0.5, decay_mask=spare_step_size(decay_all)
    )
    found = updates_of(optimizer)
    np.testing.assert_allclose(found["step_size"], -1e-2, rtol=1e-3)
    np.testing.assert_allclose(found["decoder"]["kernel"], -1.5e-2, rtol=1e-3)
