import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl import policy_losses

NAN = jnp.nan
OLD = jnp.array([[-1.0, -0.5, NAN, NAN], [-2.0, -0.7, -0.3, -1.2]])
NEW = jnp.array([[-0.7, -0.55, 9.0, NAN], [-2.4, -0.6, -0.35, -0.7]])
MASK = jnp.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
ADVANTAGES = jnp.array([[1.0, 1.0, NAN, NAN], [-1.0, -1.0, -1.0, -1.0]])


def case(cases, name):
    return next(c for c in cases("grpo_family")["cases"] if c["id"] == name)


def arrays(inputs):
    advantages = inputs.get("advantage_per_seq", inputs.get("advantage"))
    mask = jnp.array(inputs["mask"], bool)
    rows = jnp.broadcast_to(jnp.array(advantages)[:, None], mask.shape)
    return jnp.array(inputs["new_logp"]), jnp.array(inputs["old_logp"]), rows, mask


def test_clip_by_hand():
    # exp(.3) = 1.35 held at 1.2; exp(-.4) = 0.67 held at 0.8; the rest are exp(-.05), exp(.1),
    # exp(-.05), exp(.5), which is not held since A < 0
    losses = policy_losses.clip(NEW, OLD, ADVANTAGES, MASK)
    expected = [[-1.2, -0.951229, 0, 0], [0.8, 1.105171, 0.951229, 1.648721]]
    np.testing.assert_allclose(losses, expected, atol=1e-6)


@pytest.mark.parametrize(
    "name, aggregate",
    [
        ("token_mean", rl.token_mean),
        ("seq_mean_token_mean", rl.seq_mean_token_mean),
        ("seq_mean_token_sum", rl.seq_mean_token_sum),
        ("seq_mean_token_sum_norm_Lmax", functools.partial(rl.token_sum_constant, max_length=8)),
    ],
)
def test_clip_case_under_every_aggregation(cases, name, aggregate):
    worked = case(cases, "clipped_surrogate_symmetric")
    new, *rest, mask = arrays(worked["inputs"])
    ends = dict(low=worked["inputs"]["clip_low"], high=worked["inputs"]["clip_high"])

    def loss(new):
        return rl.weighted_sum(policy_losses.clip(new, *rest, mask, **ends), aggregate(mask))

    value, gradient = jax.value_and_grad(loss)(new)
    np.testing.assert_allclose(value, worked["expected"]["loss"][name], atol=1e-6)
    np.testing.assert_allclose(gradient, worked["expected"]["grad_wrt_new_logp"][name], atol=1e-6)


def test_clip_higher_case(cases):
    worked = case(cases, "dapo_clip_higher")
    *inputs, mask = arrays(worked["inputs"])
    losses = policy_losses.clip(*inputs, mask, low=0.2, high=0.28)
    expected = worked["expected"]
    np.testing.assert_allclose(losses, expected["token_loss"], atol=1e-6)
    for name in ("token_mean", "seq_mean_token_mean"):
        total = rl.weighted_sum(losses, getattr(rl, name)(mask))
        np.testing.assert_allclose(total, expected[f"loss_{name}"], atol=1e-6)


@pytest.mark.parametrize(
    "policy_loss, advantage, ratio, expected",
    [
        (policy_losses.clip, 1.0, 1.25, -1.2),
        (functools.partial(policy_losses.clip, high=0.28), 1.0, 1.25, -1.25),
        (policy_losses.clip, -1.0, 4.0, 4.0),
        (policy_losses.dual_clip, -1.0, 4.0, 3.0),
        (policy_losses.dual_clip, -2.0, 4.0, 6.0),
        (policy_losses.dual_clip, 1.0, 4.0, -1.2),
        (policy_losses.clip, -1.0, 0.5, 0.8),
        (policy_losses.reinforce, -1.0, 4.0, -1.0),  # -A lp with lp = -1
    ],
)
def test_single_tokens(policy_loss, advantage, ratio, expected):
    one = jnp.ones((1, 1))
    loss = policy_loss(-one, -one - jnp.log(ratio), advantage * one, one.astype(bool))
    np.testing.assert_allclose(loss, [[expected]], rtol=1e-6)


def test_dual_clip_case(cases):
    worked = case(cases, "dual_clip_c3")
    *inputs, mask = arrays(worked["inputs"])
    ends = dict(low=worked["inputs"]["clip"], high=worked["inputs"]["clip"])
    without = policy_losses.clip(*inputs, mask, **ends)
    np.testing.assert_allclose(without, worked["expected"]["token_loss_without"], rtol=1e-6)
    held = policy_losses.dual_clip(*inputs, mask, **ends, cap=worked["inputs"]["c"])
    np.testing.assert_allclose(held, worked["expected"]["token_loss_with"], rtol=1e-6)
    total = rl.weighted_sum(held, rl.token_mean(mask))
    np.testing.assert_allclose(total, worked["expected"]["loss_token_mean_with"], atol=1e-6)


def test_dual_clip_refuses_a_cap_inside_the_policy():
    with pytest.raises(ValueError, match=r"cap is 1\.0"):
        policy_losses.dual_clip(NEW, OLD, ADVANTAGES, MASK, cap=1.0)


def test_gspo_by_hand():
    # s = exp((.3 - .05)/2) = 1.133148 and exp((-.4 + .1 - .05 + .5)/4) = 1.038212, on every token
    losses = policy_losses.gspo(NEW, OLD, ADVANTAGES, MASK, low=0.2, high=0.2)
    expected = [[-1.133148, -1.133148, 0, 0], 4 * [1.038212]]
    np.testing.assert_allclose(losses, expected, atol=1e-6)


def test_gspo_case(cases):
    worked = case(cases, "gspo_sequence_ratio")
    new, *rest, mask = arrays(worked["inputs"])

    def loss(new, ends):
        losses = policy_losses.gspo(new, *rest, mask, low=ends[0], high=ends[1])
        return rl.weighted_sum(losses, rl.seq_mean_token_mean(mask))

    expected = worked["expected"]
    for name in ("paper_clip", "wide_clip"):
        value = loss(new, worked["inputs"][name])
        np.testing.assert_allclose(value, expected[f"loss_{name}"], atol=1e-6)
    gradient = jax.grad(loss)(new, worked["inputs"]["wide_clip"])
    np.testing.assert_allclose(gradient, expected["grad_wide_clip_wrt_new_logp"], atol=1e-6)


def test_gspo_and_grpo_share_the_gradient_on_policy():
    new = jnp.where(MASK, NEW, 0)
    advantages = jnp.where(MASK, ADVANTAGES, 0)

    def gradient(policy_loss):
        def loss(x):
            return rl.weighted_sum(
                policy_loss(x, new, advantages, MASK), rl.seq_mean_token_mean(MASK)
            )

        return jax.grad(loss)(new)

    np.testing.assert_array_equal(gradient(policy_losses.gspo), gradient(policy_losses.clip))


@pytest.mark.parametrize(
    "policy_loss", [policy_losses.clip, policy_losses.dual_clip, policy_losses.gspo]
)
@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_abandoned_tokens_do_not_overflow(policy_loss, shift):
    new = jnp.where(MASK, NEW, 0)
    losses, pullback = jax.vjp(
        lambda x: policy_loss(x, new + shift, jnp.where(MASK, ADVANTAGES, 0), MASK), new
    )
    assert jnp.isfinite(losses).all()
    assert jnp.isfinite(pullback(jnp.ones_like(losses))[0]).all()
