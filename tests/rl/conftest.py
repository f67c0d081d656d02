"""Small rollout batches."""

import jax.numpy as jnp
import pytest

from reasoning_jax.types import Rollouts


@pytest.fixture
def make_rollouts():
    """make_rollouts(mask=..., rewards=..., group_ids=..., **fields): the rest filled in."""

    def make(*, rewards, mask=None, group_ids=None, **fields) -> Rollouts:
        rewards = jnp.asarray(rewards)
        rows = len(rewards)
        mask = jnp.ones((rows, 2), bool) if mask is None else jnp.asarray(mask, bool)
        defaults = dict(
            tokens=jnp.zeros(mask.shape, jnp.int32),
            lengths=jnp.full(rows, mask.shape[1], jnp.int32),
            row_mask=jnp.ones(rows, bool),
            correct=(rewards > 0.5).astype(jnp.int8),
            finished=jnp.ones(rows, bool),
            sampler_logprobs=jnp.zeros(mask.shape),
        )
        group_ids = jnp.zeros(rows, jnp.int32) if group_ids is None else jnp.asarray(group_ids)
        return Rollouts(mask=mask, rewards=rewards, group_ids=group_ids, **(defaults | fields))

    return make
