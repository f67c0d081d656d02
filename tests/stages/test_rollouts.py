"""Completions as arrays, by hand."""

import numpy as np
import pytest

from reasoning_jax.stages.rollouts import collate
from reasoning_jax.types import Completion, Verdict

PROMPTS = [[5, 6, 7], [8]]
COMPLETIONS = [
    [
        Completion("ab", (10, 11, 1), (-0.1, -0.2, -0.3), "stop"),
        Completion("c", (12,), (-0.4,), "length"),
    ],
    [
        Completion("", (1,), (-0.5,), "stop"),
        Completion("dd", (13, 0, 13), (-0.6, -0.7, -0.8), "length"),
    ],
]
VERDICTS = [
    [Verdict(True, "exact"), Verdict(False, "no_answer")],
    [Verdict(None, "timeout"), Verdict(True, "exact")],
]
REWARDS = [[1.0, 0.25], [None, 0]]


def padded(*rows, width=16):
    return np.array([[*row, *[0] * (width - len(row))] for row in rows])


def test_rows_by_hand():
    rollouts = collate(PROMPTS, COMPLETIONS, VERDICTS, REWARDS)
    np.testing.assert_array_equal(
        rollouts.tokens, padded([5, 6, 7, 10, 11, 1], [5, 6, 7, 12], [8, 1], [8, 13, 0, 13])
    )
    # Id 0 in a response is a sampled token like any other: masks come from lengths.
    np.testing.assert_array_equal(
        rollouts.mask, padded([0, 0, 0, 1, 1, 1], [0, 0, 0, 1], [0, 1], [0, 1, 1, 1])
    )
    np.testing.assert_allclose(
        rollouts.sampler_logprobs,
        padded([0, 0, 0, -0.1, -0.2, -0.3], [0, 0, 0, -0.4], [0, -0.5], [0, -0.6, -0.7, -0.8]),
    )
    assert rollouts.lengths.tolist() == [6, 4, 2, 4]
    assert rollouts.group_ids.tolist() == [0, 0, 1, 1]
    assert rollouts.rewards.tolist() == [1.0, 0.25, 0.0, 0.0]
    assert rollouts.correct.tolist() == [1, 0, -1, 1]
    assert rollouts.finished.tolist() == [True, False, True, False]
    assert rollouts.old_logprobs is None and rollouts.ref_logprobs is None


def test_a_reward_of_none_leaves_the_loss_and_keeps_its_tokens():
    rollouts = collate(PROMPTS, COMPLETIONS, VERDICTS, REWARDS)
    assert rollouts.row_mask.tolist() == [True, True, False, True]
    assert rollouts.mask[2].sum() == 1 and rollouts.loss_mask[2].sum() == 0
    assert rollouts.loss_mask.sum() == 3 + 1 + 3


def test_dtypes_are_those_of_rollouts():
    rollouts = collate(PROMPTS, COMPLETIONS, VERDICTS, REWARDS)
    names = ("tokens", "lengths", "group_ids", "rewards", "sampler_logprobs", "correct")
    dtypes = [getattr(rollouts, name).dtype.name for name in names]
    assert dtypes == ["int32"] * 3 + ["float32"] * 2 + ["int8"]
    masks = (rollouts.mask, rollouts.row_mask, rollouts.finished)
    assert {array.dtype.name for array in masks} == {"bool"}


def test_width_is_that_of_the_longest_row():
    long = [[Completion("", tuple([3] * 14), (-1.0,) * 14, "length")]]
    rollouts = collate([[1, 2, 3]], long, [[Verdict(True, "exact")]], [[1.0]])
    assert rollouts.tokens.shape == (1, 24)


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), -float("inf")])
def test_a_reward_that_is_not_finite_is_refused(reward):
    rewards = [[1.0, reward], [None, 0.0]]
    with pytest.raises(ValueError, match=r"reward of completion 'c' is (nan|-?inf)"):
        collate(PROMPTS, COMPLETIONS, VERDICTS, rewards)


def test_every_completion_needs_a_reward():
    with pytest.raises(ValueError):
        collate(PROMPTS, COMPLETIONS, VERDICTS, [[1.0], [None, 0.0]])


def test_results_of_tools_are_holes():
    called = Completion(
        "ab", (10, 20, 21, 11), (-0.1, 0.0, 0.0, -0.2), "stop", (True, False, False, True)
    )
    plain = Completion("c", (12, 1), (-0.3, -0.4), "stop")
    verdicts = [[Verdict(True, "exact")] * 2]
    rollouts = collate([[5, 6]], [[called, plain]], verdicts, [[1.0, 0.0]])
    np.testing.assert_array_equal(rollouts.tokens, padded([5, 6, 10, 20, 21, 11], [5, 6, 12, 1]))
    np.testing.assert_array_equal(rollouts.mask, padded([0, 0, 1, 0, 0, 1], [0, 0, 1, 1]))
    np.testing.assert_allclose(
        rollouts.sampler_logprobs, padded([0, 0, -0.1, 0, 0, -0.2], [0, 0, -0.3, -0.4])
    )
    assert rollouts.lengths.tolist() == [6, 4]
