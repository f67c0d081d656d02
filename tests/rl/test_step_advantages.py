"""PURE, PRIME, TP-GRPO and T1, from worked cases and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl import advantages, steps

NAN = jnp.nan


@pytest.fixture
def worked(cases):
    """worked(file, id) -> (inputs, expected)."""

    def find(file, name):
        case = next(c for c in cases(file)["cases"] if c["id"] == name)
        return case["inputs"], case["expected"]

    return find


def ragged(rows, fill):
    width = max(map(len, rows))
    return jnp.array([[*row, *[fill] * (width - len(row))] for row in rows])


def with_steps(make_rollouts, step_rewards, tokens_per_step, rewards, prompt=2, after=0, **fields):
    """Rows of a prompt, the steps and ``after`` more sampled tokens."""
    lengths = np.array([sum(row) for row in tokens_per_step]) + prompt + after
    position = np.arange(lengths.max() + 1)
    ends = [(np.cumsum(row) + prompt - 1).tolist() for row in tokens_per_step]
    return make_rollouts(
        rewards=jnp.asarray(rewards, jnp.float32),
        mask=(position >= prompt) & (position < lengths[:, None]),
        step_rewards=ragged(step_rewards, NAN),
        step_ends=ragged(ends, 0),
        step_mask=ragged([[True] * len(row) for row in step_rewards], False),
        **fields,
    )


def by_row(result, rollouts):
    return [row[mask] for row, mask in zip(np.asarray(result), np.asarray(rollouts.mask))]


def assert_rows(result, rollouts, expected, atol=1e-6):
    assert result.dtype == jnp.float32
    assert not result[~rollouts.loss_mask].any()
    for row, wanted in zip(by_row(result, rollouts), expected):
        np.testing.assert_allclose(row, wanted, atol=atol)


def test_steps_and_their_tokens(make_rollouts):
    rollouts = with_steps(make_rollouts, [[1.0, 2.0], [5.0]], [[1, 2], [2]], [0, 0], after=1)
    found = steps.step_of_token(rollouts)
    np.testing.assert_array_equal(found, [[0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 2, 2, 2]])
    np.testing.assert_array_equal(steps.tokens_per_step(rollouts), [[1, 2], [2, 0]])
    found = steps.at_step_ends(rollouts.step_rewards, rollouts)
    np.testing.assert_array_equal(found, [[0, 0, 1, 0, 2, 0, 0], [0, 0, 0, 5, 0, 0, 0]])
    found = steps.over_steps(rollouts.step_rewards, rollouts, jnp.array([8.0, 9.0]))
    np.testing.assert_array_equal(found, [[1, 1, 1, 2, 2, 8, 8], [5, 5, 5, 5, 9, 9, 9]])


def test_softmin_case(worked):
    inputs, expected = worked("pure", "softmax_min_transform")
    rewards = jnp.array([inputs["process_rewards"] + [NAN]])
    mask = jnp.array([[1, 1, 1, 0]], bool)
    found = rl.softmin_rewards(rewards, mask, temperature=inputs["T"])[0]
    np.testing.assert_allclose(found[:3], expected["transformed"], atol=1e-6)
    np.testing.assert_allclose(found[:3] / rewards[0, :3], expected["weights"], atol=1e-6)
    assert found[3] == 0
    np.testing.assert_allclose(found.sum(), expected["sum"], atol=1e-6)
    returns = jnp.cumsum(found[2::-1])[::-1]
    np.testing.assert_allclose(returns, expected["return_by_step"], atol=1e-6)
    at_one = rl.softmin_rewards(rewards, mask, temperature=1.0).sum()
    np.testing.assert_allclose(at_one, expected["sum_T1"], atol=1e-6)
    strict = rl.future_minimum(rewards, mask)[0]
    np.testing.assert_allclose(strict, expected["strict_min_return"] + [0], atol=1e-6)
    sums = jnp.cumsum(rewards[0, 2::-1])[::-1]
    np.testing.assert_allclose(sums, expected["sum_form_return"], atol=1e-6)


def test_softmin_refuses_a_temperature_of_zero():
    with pytest.raises(ValueError, match="temperature is 0"):
        rl.softmin_rewards(jnp.ones((1, 1)), jnp.ones((1, 1), bool), temperature=0)


def test_score_case(worked):
    inputs, expected = worked("pure", "prm_score")
    found = rl.score_of_logits(jnp.array(inputs["logits"]))
    np.testing.assert_allclose(found, expected["score"], atol=1e-6)


@pytest.mark.parametrize("kind", ["token", "step"])
def test_pure_group_case(worked, make_rollouts, kind):
    inputs, expected = worked("pure", "group_returns")
    counts = inputs["tokens_per_step"]
    rollouts = with_steps(make_rollouts, inputs["process_rewards"], counts, inputs["solved"])
    transformed = rl.softmin_rewards(
        rollouts.step_rewards, rollouts.step_mask, temperature=inputs["T"]
    )
    for row, wanted in zip(transformed, expected["transformed"]):
        np.testing.assert_allclose(row[: len(wanted)], wanted, atol=1e-6)
    np.testing.assert_allclose(advantages.rloo(rollouts)[:, 2], expected["vr_advantage"], atol=1e-6)
    function = {"token": advantages.pure, "step": advantages.pure_step}[kind]
    found = function(rollouts, temperature=inputs["T"], outcome_coef=inputs["vr_coef"])
    returns = expected[f"step_return_{kind}_baseline"]
    assert_rows(found, rollouts, [np.repeat(r, c) for r, c in zip(returns, counts)])


def test_pure_capped_case(worked, make_rollouts):
    inputs, expected = worked("pure", "verl_branch_token_advantage")
    rollouts = with_steps(
        make_rollouts, inputs["process_rewards"], inputs["tokens_per_step"], inputs["solved"]
    )
    keywords = dict(
        max_length=inputs["padded_length"],
        temperature=inputs["T"],
        outcome_coef=inputs["vr_coef"],
    )
    assert_rows(advantages.pure_capped(rollouts, **keywords), rollouts, expected["centred"])
    whitened = advantages.pure_capped_whitened(rollouts, **keywords)
    assert_rows(whitened, rollouts, expected["whitened"])
    far = advantages.pure_capped(rollouts, **(keywords | {"max_length": 10**9}))
    assert_rows(far, rollouts, expected["token_returns"])


def test_pure_names_the_missing_field(make_rollouts):
    with pytest.raises(ValueError, match="step_rewards is None; PURE needs it"):
        advantages.pure(make_rollouts(rewards=[1.0, 0.0]))


def test_prime_case(worked, make_rollouts):
    inputs, expected = worked("prime", "advantage")
    rewards = inputs["process_rewards"]
    mask = jnp.arange(5) < jnp.array([len(row) for row in rewards])[:, None]
    padded = jnp.pad(ragged(rewards, NAN), ((0, 0), (0, 1)), constant_values=NAN)
    rollouts = make_rollouts(rewards=inputs["outcome"], mask=mask, token_rewards=padded)
    found = advantages.prime(rollouts, gamma=inputs["gamma"])
    assert_rows(found, rollouts, expected["adv_paper"])
    whitened = advantages.prime_whitened(rollouts, gamma=inputs["gamma"])
    assert_rows(whitened, rollouts, expected["adv_repo_whitened"])
    returns = [np.array(row) for row in expected["return_repo"]]
    flat = np.concatenate(returns)
    again = [(row - flat.mean()) / flat.std(ddof=1) for row in returns]
    assert_rows(whitened, rollouts, again)


def test_prime_scaling_case(worked):
    inputs, expected = worked("prime", "batch_norm")
    rewards = ragged(inputs["q"], NAN)
    mask = jnp.isfinite(rewards)
    largest = jnp.abs(rl.returns_to_go(rewards, mask)).max()
    np.testing.assert_allclose(largest, expected["max"], atol=1e-6)
    found = rl.scale_by_largest_return(rewards, mask)
    for row, wanted in zip(found, expected["out"]):
        np.testing.assert_allclose(row[: len(wanted)], wanted, atol=1e-6)
    assert found[1, 2] == 0


def test_implicit_reward_model_loss_case(worked):
    inputs, expected = worked("prime", "prm_ce_update")
    mask = jnp.array(inputs["mask"], bool)
    ratios = jnp.where(mask, jnp.array(inputs["q"]), NAN)
    labels = jnp.array(inputs["acc"])

    def loss(ratios):
        return rl.outcome_cross_entropy(ratios, mask, labels, beta=inputs["beta"]).mean()

    value, gradient = jax.value_and_grad(loss)(ratios)
    np.testing.assert_allclose(value, expected["loss"], atol=1e-6)
    np.testing.assert_allclose(gradient, expected["grad_q"], atol=1e-6)
    ones = rl.outcome_cross_entropy(ratios, mask, jnp.ones(2), beta=inputs["beta"])
    np.testing.assert_allclose(jnp.exp(-ones), expected["p"], atol=1e-6)


def test_accuracy_band_case(worked, make_rollouts):
    inputs, expected = worked("prime", "accuracy_filter")
    correct = [[k < 4 * acc for k in range(4)] for acc in inputs["acc"]]
    rollouts = make_rollouts(
        rewards=np.array(correct, np.float32).ravel(), group_ids=np.repeat(np.arange(5), 4)
    )
    found = rl.accuracy_band(rollouts)
    np.testing.assert_array_equal(found, np.repeat(expected["keep"], 4))


def test_difficulty_sets_case(worked, make_rollouts):
    inputs, expected = worked("acereason", "difficulty_sets")
    counts = inputs["n_correct_of_16"]
    correct = np.array([[k < count for k in range(16)] for count in counts], np.float32)
    rollouts = make_rollouts(
        rewards=correct.ravel(), group_ids=np.repeat(np.arange(len(counts)), 16)
    )
    for name, most in (("easy", 14), ("medium", 10), ("hard", 6)):
        found = rl.accuracy_band(rollouts, low=0, high=most / 16)
        np.testing.assert_array_equal(found[::16], expected[name])


def test_merging_case(worked):
    inputs, expected = worked("tp_grpo", "merge_steps")
    found = advantages.merge_steps(inputs["step_labels"])
    assert [list(thought) for thought in found] == expected["thoughts"]
    assert advantages.merge_steps([]) == []


@pytest.mark.parametrize(
    "name, marks, right",
    [
        ("advantage_correct_solution", "think_thought_labels", True),
        ("advantage_correct_solution_last_thought_wrong", "think_thought_labels", True),
        ("advantage_incorrect_solution", "think_thought_matched", False),
    ],
)
def test_thoughts_case(worked, make_rollouts, name, marks, right):
    inputs, expected = worked("tp_grpo", name)
    outcome, marks = inputs["outcome_norm_i"], inputs[marks]
    units, rewards = advantages.thought_rewards(
        marks, outcome=outcome, right=right, process=inputs.get("r_c", 0.375)
    )
    assert units == expected["units_after_merging_answer"]
    np.testing.assert_allclose(rewards, expected["unit_reward"], atol=1e-6)
    to_come = np.cumsum(rewards[::-1])[::-1]
    np.testing.assert_allclose(to_come, expected["advantage_by_unit"], atol=1e-6)

    # The same on tokens, one per thought and one of the answer, in the case's group: acc 3/4.
    row = 0 if right else 1
    labels = [marks if k == row else [1] for k in range(4)]
    counts = [[1] * len(steps) for steps in labels]
    rollouts = with_steps(make_rollouts, labels, counts, [1.0, -1.0, 1.0, 1.0], after=1)
    found = by_row(advantages.tp_grpo(rollouts, alpha=0.5), rollouts)[row]
    by_unit = expected["advantage_by_unit"]
    last = by_unit[-1:] if len(by_unit) == len(marks) else []
    np.testing.assert_allclose(found, [*by_unit, *last], atol=1e-6)


def test_thought_rewards_case(worked, make_rollouts):
    inputs, expected = worked("tp_grpo", "rewards_correct_solution")
    rollouts = make_rollouts(rewards=inputs["outcomes"])
    found = advantages.grpo(rollouts)[:, 0]
    np.testing.assert_allclose(found, expected["outcome_norm"], atol=1e-6)
    accuracy = rl.groups.mean(rollouts.correct == 1, rollouts.group_ids, rollouts.row_mask)[0]
    np.testing.assert_allclose(accuracy, expected["acc_G"])
    process = inputs["alpha"] * float(accuracy)
    np.testing.assert_allclose(process, expected["r_c"])
    # an unmerged answer follows only a wrong thought; the thoughts before it earn ± r_c
    _, rewards = advantages.thought_rewards(
        [*inputs["labels"], 0], outcome=0.5, right=True, process=process
    )
    np.testing.assert_allclose(rewards[:3], expected["thought_reward"])


def test_t1_case(worked, make_rollouts):
    inputs, expected = worked("t1", "reward_pipeline")
    penalised = jnp.array(inputs["penalised"], bool)
    rewards = rl.rewards.overwrite(jnp.array(inputs["correct"]), penalised)
    np.testing.assert_allclose(rewards, expected["reward"])
    # the KL of a row in two tokens of half of it
    old = jnp.repeat(jnp.array(inputs["kl"])[:, None] / 2, 2, axis=1) - 1
    rollouts = make_rollouts(rewards=rewards, old_logprobs=old, ref_logprobs=jnp.full((4, 2), -1.0))
    np.testing.assert_allclose(advantages.rloo(rollouts)[:, 0], expected["reward_loo"], atol=1e-6)
    found = advantages.centred_kl(jnp.array(inputs["kl"]), rollouts)
    np.testing.assert_allclose(found[:, 1], expected["kl_loo"], atol=1e-6)
    found = advantages.t1(rollouts, kl_coef=inputs["kl_coef"])
    np.testing.assert_allclose(found[:, 0], expected["shaped"], atol=1e-6)


def test_t1_needs_a_reference(make_rollouts):
    with pytest.raises(ValueError, match="ref_logprobs is None"):
        advantages.t1(make_rollouts(rewards=[1.0, 0.0]))


def test_anchor_case(worked):
    inputs, expected = worked("t1", "ema_anchor")
    reference = {"w": jnp.array(inputs["ref0"])}
    for theta, wanted in zip(inputs["theta"], expected["ref"]):
        reference = rl.follow(reference, {"w": jnp.array(theta)}, keep=inputs["a"])
        np.testing.assert_allclose(reference["w"], wanted, atol=1e-6)
    with pytest.raises(ValueError, match=r"keep is 1\.5"):
        rl.follow(reference, reference, keep=1.5)


def test_entropy_case(worked):
    inputs, expected = worked("t1", "entropy_bonus")
    logits, mask = jnp.array(inputs["logits"]), jnp.ones((1, 2), bool)

    def entropies(logits):
        return -jnp.sum(jax.nn.softmax(logits) * jax.nn.log_softmax(logits), axis=-1)

    def term(logits):
        losses = rl.entropy_bonus(entropies(logits)[None], mask)
        return inputs["alpha"] * rl.weighted_sum(losses, rl.token_mean(mask))

    np.testing.assert_allclose(entropies(logits), expected["H"], atol=1e-6)
    value, gradient = jax.value_and_grad(term)(logits)
    np.testing.assert_allclose(value, expected["loss_term"], atol=1e-6)
    slopes = -gradient / inputs["alpha"] * 2
    np.testing.assert_allclose(slopes, expected["dH_dz"], atol=1e-6)
