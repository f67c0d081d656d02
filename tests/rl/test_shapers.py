"""Shapers put the arithmetic of rewards on Rollouts and ask for what they read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl import shapers

NAN = jnp.nan


@pytest.fixture
def rollouts(make_rollouts):
    """Three samples of one prompt and one of another, the last row out."""
    return make_rollouts(
        rewards=jnp.array([1.0, 0.0, 1.0, NAN]),
        correct=jnp.array([1, 0, 1, -1], jnp.int8),
        mask=[[1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]],
        group_ids=[0, 0, 0, 1],
        row_mask=jnp.array([True, True, True, False]),
        finished=jnp.array([True, True, False, False]),
        tool_calls=jnp.array([1, 0, 2, 5]),
        fewest_calls=jnp.array([0, 0, 2, -1]),
        extracted=jnp.array([True, True, True, False]),
        clusters=jnp.array([0, 1, 0, 0]),
        model_rewards=jnp.array([0.0, 2.0, -2.0, NAN]),
        sampler_logprobs=jnp.array([[-1, -1, NAN, 9], [9, -1, -1, -1], 4 * [-1.0], 4 * [NAN]]),
        ref_logprobs=jnp.array([[-2, -1, NAN, 9], [9, -1, -1.5, -1], 4 * [-1.0], 4 * [NAN]]),
    )


def shaped(found):
    assert isinstance(found, rl.shapers.Rollouts)
    return found.rewards[:3]


def test_rewards_by_hand(rollouts):
    def check(found, expected):
        np.testing.assert_allclose(shaped(found), expected, rtol=1e-6)

    # lengths 2, 3, 4 of at most 4, the last 2 tokens linear
    check(shapers.soft_overlong(rollouts, max_length=4, cache=2), [1.0, -0.5, 0.0])
    check(shapers.unfinished(rollouts), [1, 0, -1])
    check(shapers.verified_and_finished(rollouts), [10, 0, -10])
    check(shapers.graded(rollouts), [1, 0.1, 1])
    # n = 1: sin(π/2), 0, sin(2π/3)
    check(shapers.otc(rollouts), [1, 0, np.sqrt(3) / 2])
    # n = 0: cos(π / 3); wrong; n = 2: sin(π / 2)
    check(shapers.otc_running(rollouts), [0.5, 0, 1])
    # cos(π / 3), and cos(2π / 5) of two calls
    check(shapers.otc_few_calls(rollouts), [0.5, 0, np.cos(0.4 * np.pi)])
    check(shapers.cluster_share(rollouts), [2 / 3, 1 / 3, 2 / 3])
    sigmoid = jax.nn.sigmoid(jnp.array([0.0, 1.0, -1.0]))
    check(shapers.shaped_by_verdict(rollouts), sigmoid + jnp.array([0, -1, 0]))
    # d = 1, 0 | 0, 0.5, 0 | 0
    check(shapers.sequence_kl(rollouts, coef=0.1), [0.9, -0.05, 1])


def test_an_answer_that_cannot_be_read_earns_nothing_alone(rollouts):
    found = shapers.cluster_share(rollouts.replace(extracted=jnp.array([True, False, True, False])))
    np.testing.assert_allclose(shaped(found), [2 / 3, 0, 2 / 3], rtol=1e-6)


def test_token_kl_adds_to_what_is_there(rollouts):
    penalty = [[-0.1, 0, 0, 0], [0, 0, -0.05, 0], 4 * [0], 4 * [0]]
    found = shapers.token_kl(rollouts, coef=0.1)
    np.testing.assert_allclose(found.token_rewards, penalty, rtol=1e-6)
    dense = jnp.ones((4, 4))
    found = shapers.token_kl(rollouts.replace(token_rewards=dense), coef=0.1)
    np.testing.assert_allclose(found.token_rewards, dense + jnp.array(penalty), rtol=1e-6)


def test_kl_in_the_reward_is_that_of_ppo(rollouts):
    # what ppo subtracts with kl_coef is what token_kl adds
    rollouts = rollouts.replace(values=jnp.zeros((4, 4)))
    ours = rl.advantages.ppo(shapers.token_kl(rollouts, coef=0.1))
    np.testing.assert_allclose(ours, rl.advantages.ppo(rollouts, kl_coef=0.1), atol=1e-6)


@pytest.mark.parametrize(
    ("shaper", "field"),
    [
        (shapers.graded, "extracted"),
        (shapers.otc, "tool_calls"),
        (shapers.otc_running, "tool_calls"),
        (shapers.otc_few_calls, "tool_calls"),
        (shapers.cluster_share, "clusters"),
        (shapers.shaped_by_verdict, "model_rewards"),
        (shapers.sequence_kl, "ref_logprobs"),
        (shapers.token_kl, "ref_logprobs"),
        (rl.cluster_entropy_band, "clusters"),
    ],
)
def test_what_is_not_there_is_asked_for(make_rollouts, shaper, field):
    with pytest.raises(rl.MissingField, match=f"rollouts.{field} is None") as error:
        shaper(make_rollouts(rewards=[1.0, 0.0]))
    assert error.value.field == field


def test_cluster_entropy_band(rollouts):
    # entropy of (2/3, 1/3) is 0.6365 nats
    for low, high, kept in ((0.0, 0.7, 3), (0.64, 0.7, 0), (0.0, 0.6, 0)):
        assert rl.cluster_entropy_band(rollouts, low=low, high=high).sum() == kept
