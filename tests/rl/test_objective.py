"""The objective as a sum of its terms, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rl import k2, k3, policy_losses, token_mean, truncated_importance
from reasoning_jax.rl.objective import Objective, PolicyBatch

LOGPROBS = jnp.array([[0.0, -1.0, -2.0], [-0.5, -1.5, jnp.nan]])
ENTROPY = jnp.array([[9.0, 0.6, 0.4], [0.2, 0.8, jnp.nan]])
MASK = [[0, 1, 1], [1, 1, 0]]
COEFFICIENTS = {"kl_coef": jnp.full(2, 0.1), "entropy_coef": jnp.full(2, 0.01)}
ADVANTAGES = jnp.array([[5.0, 1.0, 1.0], [-2.0, -2.0, 5.0]])


@pytest.fixture
def make_batch(make_rollouts):
    def make(**fields) -> PolicyBatch:
        rollouts = make_rollouts(rewards=[1.0, 0.0], mask=MASK, **fields)
        return PolicyBatch(rollouts, ADVANTAGES, token_mean(rollouts.loss_mask))

    return make


def no_kl(logprobs, ref_logprobs, mask):
    raise AssertionError("called although there is no kl_coef")


def test_policy_loss_alone(make_batch):
    # -A logp: 1·1, 1·2, -2·0.5, -2·1.5 = 1, 2, -1, -3; their mean is -1/4.
    loss = Objective(policy_losses.reinforce, no_kl)(LOGPROBS, ENTROPY, make_batch())
    assert loss == pytest.approx(-0.25)


def test_terms_add_up(make_batch):
    ref = jnp.array([[0.0, -1.2, -1.6], [-0.5, -2.5, 0.0]])
    objective = Objective(policy_losses.reinforce, k2)
    # d²/2 of d = 0.2, -0.4, 0, 1: 0.02, 0.08, 0, 0.5, mean 0.15; entropies' mean 0.5.
    loss = objective(LOGPROBS, ENTROPY, make_batch(ref_logprobs=ref).replace(**COEFFICIENTS))
    assert loss == pytest.approx(-0.25 + 0.1 * 0.15 - 0.01 * 0.5)


def test_weights_are_used_as_given(make_batch):
    batch = make_batch().replace(weights=jnp.array([[0.0, 2.0, 0.0], [0.0, 1.0, 0.0]]))
    # 2·1 + 1·(-3).
    loss = Objective(policy_losses.reinforce, no_kl)(LOGPROBS, ENTROPY, batch)
    assert loss == pytest.approx(-1.0)


def test_rows_that_left_are_in_no_term(make_batch):
    ref = jnp.array([[0.0, -1.2, -1.6], [jnp.nan] * 3])
    batch = make_batch(ref_logprobs=ref, row_mask=jnp.array([True, False])).replace(**COEFFICIENTS)
    objective = Objective(policy_losses.reinforce, k2)
    # Tokens 1 and 2 of row 0: (1 + 2)/2, (0.02 + 0.08)/2, (0.6 + 0.4)/2.
    loss = objective(LOGPROBS, ENTROPY, batch)
    assert loss == pytest.approx(1.5 + 0.1 * 0.05 - 0.01 * 0.5)


def test_old_logprobs_enter_the_ratio(make_batch):
    old = LOGPROBS - jnp.log(jnp.array([[1.0, 1.5, 0.5], [1.5, 0.5, 1.0]]))
    loss = Objective(policy_losses.clip, no_kl)(LOGPROBS, ENTROPY, make_batch(old_logprobs=old))
    # A = 1: -min(1.5, 1.2), -0.5; A = -2: 2·1.5, 2·max(0.5, 0.8).
    assert loss == pytest.approx((-1.2 - 0.5 + 3.0 + 1.6) / 4)


def test_without_old_logprobs_the_policy_is_its_own(make_batch):
    objective = Objective(policy_losses.clip, k3)
    ref = jnp.full((2, 3), -1.0)
    entropy = jnp.where(jnp.isnan(ENTROPY), 0, ENTROPY)

    def value_and_grad(**fields):
        batch = make_batch(ref_logprobs=ref, **fields).replace(**COEFFICIENTS)
        return jax.value_and_grad(lambda logprobs: objective(logprobs, entropy, batch))(LOGPROBS)

    implicit, implicit_grad = value_and_grad()
    explicit, explicit_grad = value_and_grad(old_logprobs=LOGPROBS)
    np.testing.assert_array_equal(implicit, explicit)
    np.testing.assert_array_equal(implicit_grad, explicit_grad)


def test_no_gradient_goes_through_the_policy_as_its_own_old_one(make_batch):
    def plain_ratio(logprobs, old_logprobs, advantages, mask):
        return jnp.where(mask, -advantages * jnp.exp(logprobs - old_logprobs), 0)

    logprobs = jnp.where(jnp.isnan(LOGPROBS), 0, LOGPROBS)
    objective = Objective(plain_ratio, no_kl)
    gradient = jax.grad(lambda logprobs: objective(logprobs, ENTROPY, make_batch()))(logprobs)
    # At ratio 1 it is -A / N; that of exp(logprobs - logprobs) would be 0.
    np.testing.assert_allclose(gradient, -ADVANTAGES * jnp.array(MASK) / 4)


def test_correction_scales_the_policy_loss_alone(make_batch):
    # Ratios of trainer and sampler e, e² and 1, e held at 2: -A logp = 1, 2, -1, -3.
    sampler = jnp.array([[0.0, -2.0, -4.0], [-0.5, -1.5, jnp.nan]])
    batch = make_batch(sampler_logprobs=sampler).replace(entropy_coef=jnp.full(2, 0.01))
    objective = Objective(policy_losses.reinforce, no_kl, truncated_importance)
    loss = objective(LOGPROBS, ENTROPY, batch)
    assert loss == pytest.approx((2 * 1 + 2 * 2 - 1 - 3) / 4 - 0.01 * 0.5)


def test_selected_tokens_reach_the_policy_loss(make_batch):
    selected = jnp.array([[False, True, False], [False, True, False]])
    old = LOGPROBS - jnp.log(jnp.array([[1.0, 1.1, 0.9], [1.1, 0.9, 1.0]]))
    batch = make_batch(old_logprobs=old).replace(selected=selected)
    loss = Objective(policy_losses.clip_cov, no_kl)(LOGPROBS, ENTROPY, batch)
    # A = 1: 0, -0.9; A = -2: 2.2, 0.
    assert loss == pytest.approx((-0.9 + 2.2) / 4)
