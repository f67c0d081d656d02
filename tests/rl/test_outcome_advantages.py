"""Advantages of whole rows beyond GRPO, by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl import advantages


@pytest.mark.parametrize(
    "rewards, expected",
    [
        # others of a failure: mean 1/7, sample variance 1/7; of the success: all equal
        ([1.0] + 7 * [0.0], [1.0] + 7 * [-0.377963]),
        ([1.0, 1.0, 1.0, 0.0], [0.577349, 0.577349, 0.577349, -1.0]),
        # others 0.3, 0.9 | 0.1, 0.9 | 0.1, 0.3: deviations -0.5, -0.2, 0.7
        ([0.1, 0.3, 0.9], [-0.5 / 0.424264, -0.2 / 0.565685, 0.7 / 0.141421]),
        ([0.1, 0.3], [-0.2, 0.2]),
        (3 * [0.1], 3 * [0.0]),
        ([0.1], [0.0]),
    ],
)
def test_leave_one_out(make_rollouts, rewards, expected):
    found = advantages.leave_one_out(make_rollouts(rewards=rewards))
    np.testing.assert_allclose(found[:, 0], expected, atol=5e-5)
    assert len(set(rewards)) > 1 or not found.any()


def test_opo_weighs_by_length(make_rollouts):
    # lengths 10, 20, 30, 40 and rewards 1, 0, 1, 0: baseline (10 + 30) / 100
    mask = jnp.arange(40) < jnp.array([10, 20, 30, 40])[:, None]
    found = advantages.opo(make_rollouts(rewards=[1.0, 0.0, 1.0, 0.0], mask=mask))
    np.testing.assert_allclose(found[:, 0], [0.6, -0.4, 0.6, -0.4], atol=1e-6)
    # the length-weighted advantages of a group add up to 0
    np.testing.assert_allclose(found.sum(), 0, atol=1e-5)


def test_gpg_makes_up_for_groups_that_teach_nothing(make_rollouts):
    # two rows of six teach: α = 3, deviations ±0.5
    rollouts = make_rollouts(rewards=[1.0, 0, 0, 0, 1, 1], group_ids=[0, 0, 1, 1, 2, 2])
    np.testing.assert_allclose(advantages.gpg(rollouts)[:, 0], [1.5, -1.5, 0, 0, 0, 0])
    assert not advantages.gpg(make_rollouts(rewards=[1.0, 1.0])).any()


def test_remax(make_rollouts):
    greedy = jnp.array([1.0, 1.0, 0.0])
    mask = [[0, 1], [1, 1], [1, 0]]
    rollouts = make_rollouts(rewards=[1.0, 0.0, 0.5], mask=mask, greedy_rewards=greedy)
    found = advantages.remax(rollouts)
    np.testing.assert_allclose(found, [[0, 0], [-1, -1], [0.5, 0]])


def test_reinforce_plus_plus_baseline_by_hand(make_rollouts):
    # centred .5, -.5 | 0 over 1, 2, 1 tokens: mean -.125, sample variance .6875 / 3
    rollouts = make_rollouts(
        rewards=[1.0, 0.0, 1.0], group_ids=[0, 0, 1], mask=[[1, 0], [1, 1], [0, 1]]
    )
    found = advantages.reinforce_plus_plus_baseline(rollouts)
    up, down, middle = np.array([0.625, -0.375, 0.125]) / np.sqrt(0.6875 / 3)
    np.testing.assert_allclose(found, [[up, 0], [down, down], [0, middle]], atol=1e-6)


@pytest.mark.parametrize(
    "rewards, expected",
    [
        ([1.0] + 7 * [0.0], [2.828419] + 7 * [0]),  # 1 / (0.353553 + 1e-6)
        ([1.0, 1.0, 1.0, 0.0], 4 * [0]),
        ([0.2, 0.9, 0.5], [0, 0.4 / 0.351189, 0]),
        ([0.0, 0.0], [0, 0]),
        ([3.0], [0]),
    ],
)
def test_best_of_group(make_rollouts, rewards, expected):
    found = advantages.best_of_group(make_rollouts(rewards=rewards))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)


def test_best_of_group_needs_a_second(make_rollouts):
    rollouts = make_rollouts(
        rewards=[1.0, jnp.nan, 2.0, 1.0],
        group_ids=[0, 0, 1, 1],
        row_mask=jnp.array([True, False, True, True]),
    )
    found = advantages.best_of_group(rollouts)[:, 0]
    np.testing.assert_allclose(found, [0, 0, np.sqrt(2), 0], atol=1e-5)


def test_pass_at_k_by_hand(make_rollouts):
    # one of four right, k = 2: R = 1 - 3/6, σ = 1/2; right 0.5/0.5, wrong (0.5 - 2/3)/0.5
    rollouts = make_rollouts(rewards=[1.0, 0.0, 0.0, 0.0])
    found = advantages.pass_at_k(rollouts, k=2)
    np.testing.assert_allclose(found[:, 0], [1, -1 / 3, -1 / 3, -1 / 3], atol=1e-6)


def test_pass_at_one_is_grpo(make_rollouts):
    rollouts = make_rollouts(rewards=[1.0, 0, 0, 1, 0, 1], group_ids=[0, 0, 0, 1, 1, 1])
    expected = advantages.grpo(rollouts, ddof=0, eps=0.0)
    np.testing.assert_allclose(advantages.pass_at_k(rollouts, k=1), expected, atol=1e-6)


@pytest.mark.parametrize(
    "k, rewards", [(2, [1.0, 1, 1]), (2, [0.0, 0, 0]), (2, [1.0, 1, 0]), (4, [1.0, 0, 0])]
)
def test_pass_at_k_is_zero_where_all_subsets_earn_the_same(make_rollouts, k, rewards):
    assert not advantages.pass_at_k(make_rollouts(rewards=rewards), k=k).any()


def test_pass_at_k_refuses_no_sample(make_rollouts):
    with pytest.raises(ValueError, match="k is 0"):
        advantages.pass_at_k(make_rollouts(rewards=[1.0, 0.0]), k=0)


def test_psr_nsr_case(cases, make_rollouts):
    name = "advantages_and_filters"
    case = next(c for c in cases("nsr_psr_wreinforce")["cases"] if c["id"] == name)
    scores, expected = np.array(case["inputs"]["scores"]), case["expected"]
    mask = jnp.arange(4) < jnp.array(case["inputs"]["lengths"])[:, None]
    rollouts = make_rollouts(rewards=scores.astype(np.float32), mask=mask)
    kinds = {
        "psr": (advantages.psr, rl.filters.right),
        "nsr": (advantages.nsr, rl.filters.wrong),
        "w": (functools.partial(advantages.w_reinforce, positive=case["inputs"]["lambda"]), None),
    }
    old = jnp.full(mask.shape, -1.0)
    for kind, (advantage, keep) in kinds.items():
        kept = rollouts if keep is None else rl.apply_filter(rollouts, keep(rollouts))
        if keep is not None:
            np.testing.assert_array_equal(np.flatnonzero(kept.row_mask), expected[f"{kind}_rows"])
        found = advantage(kept)
        wanted = expected["w_reinforce_adv" if kind == "w" else f"{kind}_adv"]
        np.testing.assert_allclose(found[kept.row_mask][:, 0], wanted)
        losses = rl.policy_losses.clip(old, old, found, kept.loss_mask)
        total = rl.weighted_sum(losses, rl.token_mean(kept.loss_mask))
        on_policy = expected["on_policy_loss_token_mean"][kind]
        np.testing.assert_allclose(total, on_policy, atol=1e-6)
    total = rl.weighted_sum(losses, rl.seq_mean_token_mean(rollouts.loss_mask))
    np.testing.assert_allclose(total, expected["on_policy_loss_seq_mean"]["w"], atol=1e-6)


def test_rows_without_verdict_get_nothing(make_rollouts):
    rollouts = make_rollouts(rewards=[1.0, 0.0], correct=jnp.array([-1, -1], jnp.int8))
    for advantage in (advantages.psr, advantages.nsr, advantages.w_reinforce):
        assert not advantage(rollouts).any()


def test_acereason_case(cases, make_rollouts):
    case = next(c for c in cases("acereason")["cases"] if c["id"] == "on_policy_token_mean")
    inputs, expected = case["inputs"], case["expected"]
    mask = jnp.arange(6) < jnp.array(inputs["lengths"])[:, None]
    rollouts = make_rollouts(rewards=inputs["rewards"], mask=mask)
    found = advantages.grpo(rollouts, eps=inputs["eps"])
    np.testing.assert_allclose(found[:, 0], expected["advantage"], atol=1e-6)
    old = jnp.full(mask.shape, -1.0)

    def loss(new):
        losses = rl.policy_losses.clip(new, old, found, mask)
        return rl.weighted_sum(losses, rl.token_mean(mask))

    value, gradient = jax.value_and_grad(loss)(old)
    np.testing.assert_allclose(value, expected["loss"], atol=1e-6)
    by_row = np.array(expected["grad_per_token_by_seq"])[:, None]
    np.testing.assert_allclose(gradient, np.where(mask, by_row, 0), atol=1e-6)


@pytest.mark.parametrize("kind, sign", [("psr", 1.0), ("nsr", -1.0)])
def test_gradient_of_sample_reinforcement_on_the_logits(cases, kind, sign):
    """E over the sampled token of the policy loss's gradient is that of the probability form."""
    file = {c["id"]: c for c in cases("nsr_psr_wreinforce")["cases"]}
    inputs = file["token_gradient_prob_form"]["inputs"]
    logits, sampled = jnp.log(jnp.array(inputs["probs"])), inputs["sampled"]

    def loss(logits):
        logprob = jax.nn.log_softmax(logits)[sampled].reshape(1, 1)
        one = jnp.ones((1, 1))
        loss = rl.policy_losses.clip(logprob, logprob, sign * one, one.astype(bool))
        return jnp.exp(jax.lax.stop_gradient(logprob[0, 0])) * loss[0, 0]

    direction = -jax.grad(loss)(logits)
    expected = file["token_gradient_prob_form"]["expected"]
    np.testing.assert_allclose(direction, expected[f"{kind}_neg_grad"], atol=1e-6)
    np.testing.assert_allclose(direction, expected[f"{kind}_formula"], atol=1e-6)

    step = file["one_sgd_step"]
    after = jax.nn.softmax(logits + step["inputs"]["lr"] * direction)
    np.testing.assert_allclose(after, step["expected"][f"after_{kind}"], atol=1e-6)
    entropy = -jnp.sum(after * jnp.log(after))
    np.testing.assert_allclose(entropy, step["expected"][f"entropy_after_{kind}"], atol=1e-6)
