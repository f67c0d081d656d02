"""Rewards of particular systems, from worked cases and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl import advantages, rewards


@pytest.fixture
def worked(cases):
    """worked(file, id) -> (inputs, expected)."""

    def find(file, name):
        case = next(c for c in cases(file)["cases"] if c["id"] == name)
        return case["inputs"], case["expected"]

    return find


ONE_GROUP = jnp.zeros(4, jnp.int32), jnp.ones(4, bool)


def test_tool_reward_table_case(worked):
    inputs, expected = worked("otc", "tool_reward_table")
    calls, optimum = jnp.array(inputs["pairs"]).T
    found = rewards.optimal_calls(calls, optimum, smoothing=inputs["c"])
    np.testing.assert_allclose(found, [row["r"] for row in expected["table"]], atol=1e-6)


def test_few_calls_case(worked):
    inputs, expected = worked("otc", "otc_ppo")
    for smoothing, row in zip(inputs["c"], expected["r"]):
        found = rewards.few_calls(jnp.array(inputs["m"]), smoothing=smoothing)
        np.testing.assert_allclose(found, row, atol=1e-6)
    with pytest.raises(ValueError, match="smoothing is 0"):
        rewards.few_calls(jnp.array([1]), smoothing=0)


def test_otc_group_case(worked, make_rollouts):
    inputs, expected = worked("otc", "group_reward")
    calls, correct = jnp.array(inputs["calls"]), jnp.array(inputs["correct"])
    assert rewards.fewest_calls(calls, correct, *ONE_GROUP)[0] == expected["n"]
    found = rewards.otc(calls, correct, *ONE_GROUP, scale=inputs["alpha"], smoothing=inputs["c"])
    np.testing.assert_allclose(found, expected["reward"], atol=1e-6)
    standardised = advantages.grpo(make_rollouts(rewards=found))[:, 0]
    np.testing.assert_allclose(standardised, expected["grpo_adv_sample_std"], atol=1e-6)


def test_otc_where_nobody_is_right_and_rows_that_are_out():
    assert not rewards.otc(jnp.arange(4), jnp.zeros(4), *ONE_GROUP).any()
    correct, row_mask = jnp.ones(4), jnp.array([False, True, True, True])
    found = rewards.fewest_calls(
        jnp.array([0, 2, 3, 5]), correct, jnp.array([0, 0, 0, 1]), row_mask
    )
    np.testing.assert_array_equal(found, [0, 2, 2, 5])


def test_tool_productivity_case(worked):
    inputs, expected = worked("otc", "tool_productivity")
    correct = jnp.array(inputs["correct"])
    found = rewards.tool_productivity(jnp.array(inputs["calls"]), correct)
    np.testing.assert_allclose(found, expected["tp"])
    assert jnp.isnan(rewards.tool_productivity(jnp.zeros(4), correct))


def test_empo_case(worked, make_rollouts):
    inputs, expected = worked("empo", "cluster_and_reward")
    clusters = rewards.cluster_answers(inputs["answers"])
    assert clusters == expected["ids"]
    group = jnp.zeros(8, jnp.int32), jnp.ones(8, bool)
    found = rewards.cluster_share(jnp.array(clusters), *group)
    np.testing.assert_allclose(found, expected["reward_freq"], atol=1e-6)
    first = [clusters.index(k) for k in range(5)]
    np.testing.assert_allclose(found[jnp.array(first)], expected["p"], atol=1e-6)
    empty = jnp.array([not answer for answer in inputs["answers"]])
    without = rewards.overwrite(found, empty, value=0.0)
    np.testing.assert_allclose(without, expected["reward_empty_zero"], atol=1e-6)
    entropy = rewards.cluster_entropy(jnp.array(clusters), *group)
    np.testing.assert_allclose(entropy, 8 * [expected["entropy"]], atol=1e-6)
    standardised = advantages.grpo(make_rollouts(rewards=found))[:, 0]
    np.testing.assert_allclose(standardised, expected["adv_sample_std"], atol=1e-6)


@pytest.mark.parametrize("kind", ["all_same", "all_different", "mixed"])
def test_entropy_band_case(worked, kind):
    inputs, expected = worked("empo", f"threshold_{kind}")
    clusters = jnp.array(rewards.cluster_answers(inputs["answers"]))
    entropy = rewards.cluster_entropy(clusters, *ONE_GROUP)
    np.testing.assert_allclose(entropy, 4 * [expected["H"]], atol=1e-6)
    kept = rewards.entropy_band(clusters, *ONE_GROUP, low=inputs["lo"], high=inputs["hi"])
    np.testing.assert_array_equal(kept, 4 * [expected["keep"]])
    different = rewards.cluster_entropy(jnp.arange(4), *ONE_GROUP)[0]
    np.testing.assert_allclose(different, expected["max_H"], atol=1e-6)


def test_clusters_are_of_their_group_and_of_rows_that_take_part():
    clusters, group_ids = jnp.array([0, 0, 0, 0, 1]), jnp.array([0, 0, 3, 3, 3])
    row_mask = jnp.array([True, True, True, False, True])
    found = rewards.cluster_share(clusters, group_ids, row_mask)
    np.testing.assert_allclose(found, [1, 1, 0.5, 0, 0.5])
    entropy = rewards.cluster_entropy(clusters, group_ids, row_mask)
    np.testing.assert_allclose(entropy, [0, 0, np.log(2), 0, np.log(2)], atol=1e-6)


def test_an_answer_stays_where_it_was_placed():
    # a ~ b and b ~ c but not a ~ c
    near = {("a", "b"), ("b", "c")}
    assert rewards.cluster_answers(["a", "b", "c"], lambda x, y: (x, y) in near) == [0, 0, 1]


@pytest.mark.parametrize("alpha", ["0.0", "0.1", "1.0"])
def test_pessimistic_case(worked, alpha):
    inputs, expected = worked("heimdall_rl", f"pessimistic_alpha_{alpha}")
    names = list(inputs["answers"])
    found = rewards.pessimistic_scores(
        jnp.array([inputs["answers"][name]["mean_verdict"] for name in names]),
        jnp.array([inputs["answers"][name]["N_i"] for name in names]),
        verdicts_each=inputs["M"],
        alpha=inputs["alpha"],
    )
    wanted = [expected["scores"][name]["score"] for name in names]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert names[int(found.argmax())] == expected["pick"]


def test_pessimistic_choice_of_verdicts_case(cases):
    case = cases("heimdall")
    verdicts = {}
    for solution in case["solutions"]:
        verdicts.setdefault(solution["answer"], []).append(solution["verdicts"])
    names = list(verdicts)
    for alpha, wanted in case["by_alpha"].items():
        found = rewards.pessimistic_scores(
            jnp.array([np.mean(verdicts[name]) for name in names]),
            jnp.array([len(verdicts[name]) for name in names]),
            verdicts_each=case["M"],
            alpha=float(alpha),
        )
        scores = [wanted["table"][name]["score"] for name in names]
        np.testing.assert_allclose(found, scores, atol=1e-6)
        assert names[int(found.argmax())] == wanted["choice"]


def test_verdict_reward_case(worked):
    inputs, expected = worked("heimdall_rl", "verifier_reward")
    verdicts = jnp.array([-1 if verdict is None else verdict for verdict in inputs["verdict"]])
    found = rewards.verdict_reward(verdicts, jnp.array(inputs["label"]))
    np.testing.assert_array_equal(found, expected["reward"])


def test_verifier_prompt_filter_case(worked, make_rollouts):
    inputs, expected = worked("heimdall_rl", "verifier_prompt_filter")
    n = inputs["n"]
    right = np.array([[k < count for k in range(n)] for count in inputs["n_correct"]])
    rollouts = make_rollouts(
        rewards=right.ravel().astype(np.float32), group_ids=np.repeat(np.arange(3), n)
    )
    np.testing.assert_array_equal(rl.nonzero_variance(rollouts)[::n], expected["keep"])


def test_qwen_math_case(worked):
    inputs, expected = worked("other_seeds", "qwen25_math_shaped")
    found = rewards.shaped_by_verdict(
        jnp.array(inputs["rm"]), jnp.array(inputs["verified"]), alpha=inputs["alpha"]
    )
    np.testing.assert_allclose(found, expected["r"], atol=1e-6)
    for kind, (low, high) in zip((1, 0), expected["bounds"]):
        of_kind = found[jnp.array(inputs["verified"]) == kind]
        assert ((low < of_kind) & (of_kind < high)).all()


@pytest.mark.parametrize("name", ["qwen25_math_rm_listwise", "rstar_ppm"])
def test_listwise_case(worked, name):
    inputs, expected = worked("other_seeds", name)
    scores = jnp.array([[*inputs["pos"], *inputs["neg"], jnp.nan]])
    right, mask = jnp.array([[1, 1, 0, 0, 1]], bool), jnp.array([[1, 1, 1, 1, 0]], bool)
    value, gradient = jax.value_and_grad(lambda x: rl.listwise_loss(x, right, mask)[0])(scores)
    np.testing.assert_allclose(value, expected["loss"], atol=1e-6)
    if "grad_pos" in expected:
        wanted = [*expected["grad_pos"], *expected["grad_neg"], 0]
        np.testing.assert_allclose(gradient[0], wanted, atol=1e-6)
    assert rl.listwise_loss(scores, right | mask, mask)[0] == 0


def test_tulu_case(worked):
    inputs, expected = worked("other_seeds", "tulu_rlvr")
    found = rewards.verified_and_finished(
        jnp.array(inputs["verified"]),
        jnp.array(inputs["has_eos"], bool),
        right=inputs["alpha"],
        unfinished=inputs["penalty"],
    )
    np.testing.assert_allclose(found, expected["score"])


def test_reft_case(worked):
    inputs, expected = worked("reft", "terminal_reward")
    extracted = jnp.array([x is not None for x in inputs["extracted"]])
    values = np.array([np.nan if x is None else x for x in inputs["extracted"]])
    correct = jnp.array(np.abs(values - inputs["gold"]) <= inputs["tol"])
    np.testing.assert_allclose(rewards.graded(correct, extracted), expected["reward"])
