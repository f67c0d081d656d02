import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.rl import advantages


def rollouts_of(make_rollouts, responses, rewards, prompt=(7, 7), **fields):
    width = len(prompt) + max(map(len, responses)) + 2
    tokens, mask = np.full((len(responses), width), 99), np.zeros((len(responses), width), bool)
    for row, response in enumerate(responses):
        ends = len(prompt), len(prompt) + len(response)
        tokens[row, : ends[1]] = *prompt, *response
        mask[row, slice(*ends)] = True
    tokens = jnp.asarray(tokens, jnp.int32)
    return make_rollouts(
        rewards=jnp.asarray(rewards, jnp.float32), mask=mask, tokens=tokens, **fields
    )


def in_response(result, responses, prompt=2):
    return [row[prompt : prompt + len(response)] for row, response in zip(result, responses)]


@pytest.mark.parametrize("name", ["four_responses", "duplicate_responses", "no_shared_prefix"])
def test_worked_cases(cases, make_rollouts, name):
    case = next(c for c in cases("tempo")["cases"] if c["id"] == name)
    responses, expected = case["inputs"]["responses"], case["expected"]
    rollouts = rollouts_of(make_rollouts, responses, case["inputs"]["rewards"])
    values = in_response(advantages.prefix_values(rollouts), responses)
    root = np.mean(case["inputs"]["rewards"])
    for row, response, differences in zip(values, responses, expected["td"]):
        np.testing.assert_allclose(np.diff([root, *row]), differences, atol=1e-6)
        for length, value in enumerate(row, 1):
            written = expected.get("V", {}).get("".join(map(str, response[:length])), value)
            np.testing.assert_allclose(value, written, atol=1e-6)
    for ddof, kind in enumerate(("population", "sample")):
        if f"advantage_{kind}_std" in expected:
            found = advantages.tempo(rollouts, ddof=ddof)
            assert found.dtype == jnp.float32
            assert not found[~rollouts.loss_mask].any()
            for row, wanted in zip(
                in_response(found, responses), expected[f"advantage_{kind}_std"]
            ):
                np.testing.assert_allclose(row, wanted, atol=1e-6)


def test_random_trees_against_counting(make_rollouts):
    random = np.random.default_rng(0)
    responses = [random.integers(0, 2, random.integers(1, 8)).tolist() for _ in range(40)]
    groups, rewards = random.integers(0, 3, 40), random.random(40)
    rollouts = rollouts_of(make_rollouts, responses, rewards, group_ids=jnp.asarray(groups))
    values = in_response(jax.jit(advantages.prefix_values)(rollouts), responses)
    for row, response, group in zip(values, responses, groups):
        for length in range(1, len(response) + 1):
            same = [
                reward
                for other, other_group, reward in zip(responses, groups, rewards)
                if other_group == group
                and len(other) >= length
                and other[:length] == response[:length]
            ]
            np.testing.assert_allclose(row[length - 1], np.mean(same), atol=1e-6)


def test_equals_grpo_after_the_paths_have_parted(make_rollouts):
    responses = [[1, 2, 3], [1, 4, 3], [1, 4, 3]]
    rollouts = rollouts_of(make_rollouts, responses, [1, 0, 0])
    found, grpo = advantages.tempo(rollouts), advantages.grpo(rollouts)
    np.testing.assert_allclose(found[:, 4], grpo[:, 4], atol=1e-6)
    assert (jnp.abs(found[:, 3]) > jnp.abs(grpo[:, 3])).all()


@pytest.mark.parametrize("rewards", [[0.1, 0.1, 0.1], [1e4, 1e4, 1e4]])
def test_equal_rewards_are_exactly_zero(make_rollouts, rewards):
    rollouts = rollouts_of(make_rollouts, [[1, 2], [1, 3], [4]], rewards)
    assert not advantages.tempo(rollouts).any()


def test_results_of_tools_part_the_paths(make_rollouts):
    # the same sampled tokens around different results: two nodes after the result, one before
    rollouts = rollouts_of(make_rollouts, [[1, 5, 2], [1, 6, 2]], [1, 0], prompt=())
    rollouts = rollouts.replace(mask=rollouts.mask.at[:, 1].set(False))
    np.testing.assert_allclose(advantages.prefix_values(rollouts)[:, 0], [0.5, 0.5])
    np.testing.assert_allclose(advantages.prefix_values(rollouts)[:, 2], [1.0, 0.0])
    assert not advantages.tempo(rollouts)[:, 1].any()
