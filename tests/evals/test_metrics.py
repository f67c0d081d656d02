import itertools
import math

import numpy as np
import pytest

from reasoning_jax.evals import metrics


def test_pass_at_k_by_hand():
    # 10 samples, 3 right: 1 - C(7,4)/C(10,4) = 1 - 35/210; nothing right 0; 7 wrong of 8 drawn 1
    np.testing.assert_allclose(metrics.pass_at_k(10, 3, 1), 0.3)
    np.testing.assert_allclose(metrics.pass_at_k(10, 3, 4), 1 - 35 / 210)
    assert metrics.pass_at_k(10, 0, 10) == 0
    assert metrics.pass_at_k(10, 3, 8) == 1
    np.testing.assert_allclose(metrics.pass_at_k(200, 13, 50), 0.979278, atol=1e-6)


def test_pass_at_k_cases(cases):
    case = cases("rejection_sampling")["pass_at_k"]
    for k in (1, 4):
        found = metrics.pass_at_k(case["n"], case["c"], k)
        np.testing.assert_allclose(found, case[f"k{k}"], atol=1e-9)
    case = cases("nsr_psr_wreinforce")["cases"]
    case = next(c for c in case if c["id"] == "unbiased_pass_at_k")
    n, c, ks = (case["inputs"][name] for name in ("n", "c", "k"))
    for k, expected in zip(ks, np.transpose(case["expected"]["pass"])):
        np.testing.assert_allclose(metrics.pass_at_k(n, np.array(c), k), expected, atol=1e-8)


def test_pass_at_k_is_the_mean_over_subsets():
    samples = [1, 0, 0, 1, 0]
    subsets = [any(chosen) for chosen in itertools.combinations(samples, 3)]
    found = metrics.pass_at_k(np.array([5]), np.array([2]), 3)
    np.testing.assert_allclose(found, [np.mean(subsets)])


@pytest.mark.parametrize(
    "n, c, k, message",
    [
        (4, 1, 5, "k is 5"),
        (4, 1, 0, "k is 0"),
        (4, 5, 2, "correct counts"),
        (4, -1, 2, "correct counts"),
    ],
)
def test_pass_at_k_refuses_impossible_counts(n, c, k, message):
    with pytest.raises(ValueError, match=message):
        metrics.pass_at_k(n, c, k)


@pytest.mark.parametrize(
    "answers, winner",
    [
        (["4", "5", "4", "6", "5", "5"], "5"),
        (["4", "5", "5", "4"], "4"),  # a tie goes to the first seen
        ([None, None, "3"], "3"),
        ([None, None], None),
        ([], None),
    ],
)
def test_majority_vote(answers, winner):
    assert metrics.majority_vote(answers) == winner


def test_maj_at_k():
    answers = [["1", "2", "2"], ["7", "7", "3"], [None, None, None]]
    correct = [[False, True, True], [False, False, True], [False, False, False]]
    # one vote: 1, 7, none; three: 2 (right), 7, none
    assert metrics.maj_at_k(answers, correct, 1) == 0
    np.testing.assert_allclose(metrics.maj_at_k(answers, correct, 3), 1 / 3)


def test_maj_at_k_uses_the_first_k_only_and_counts_unjudged_as_wrong():
    answers, correct = [["1", "2", "2", "2"]], [[True, False, False, False]]
    assert metrics.maj_at_k(answers, correct, 2) == 1
    assert metrics.maj_at_k(answers, correct, 3) == 0
    assert metrics.maj_at_k([["1"]], [[None]], 1) == 0


def test_maj_at_k_refuses_impossible_votes():
    with pytest.raises(ValueError, match="k is 3; problem 0 has 2 samples"):
        metrics.maj_at_k([["1", "2"]], [[True, False]], 3)
    with pytest.raises(ValueError, match="no problems"):
        metrics.maj_at_k([], [], 1)


def test_mean_and_interval_by_hand():
    # problem means 1, 0.5, 0: mean 0.5, sample sd 0.5, so 1.96 * 0.5 / sqrt(3)
    mean, half_width = metrics.mean_and_interval([[1, 1], [1, 0], [0, 0]])
    np.testing.assert_allclose([mean, half_width], [0.5, 0.98 / math.sqrt(3)])


def test_interval_holds_the_truth_95_times_in_100():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        chances = random.beta(0.5, 0.5, 100)  # true mean 0.5, problems much unlike
        mean, half_width = metrics.mean_and_interval(random.random((100, 4)) < chances[:, None])
        hits += abs(mean - 0.5) <= half_width
    assert 930 <= hits <= 970


def test_one_problem_shows_no_spread():
    mean, half_width = metrics.mean_and_interval([[1, 0, 0, 0]])
    assert mean == 0.25
    assert math.isnan(half_width)


def test_content_entropy_by_hand():
    groups = ["AAAA", "AABB", "AABC", "ABCD"]
    np.testing.assert_allclose(metrics.content_entropy(groups), [0, 1, 1.5, 2], atol=1e-12)


def test_content_entropy_case(cases):
    case = cases("eval_metrics")["entropy"]
    for unit, base in (("bits", 2), ("nats", math.e)):
        entropies = metrics.content_entropy(case["groups"], base=base)
        np.testing.assert_allclose(entropies, case[unit], atol=1e-9)
        np.testing.assert_allclose(entropies.mean(), case[f"mean_{unit}"], atol=1e-9)


def test_version_accuracy_case(cases):
    case = cases("eval_metrics")["ugmathbench"]
    figures = metrics.version_accuracy(case.pop("correct"))
    assert figures == pytest.approx(case, abs=1e-9)


def test_version_accuracy_by_hand():
    # 3 of 4 versions right, 1 of 2 problems throughout: Delta 1/4, half of EAcc
    figures = metrics.version_accuracy([[1, 1], [1, 0]])
    assert figures == {"AAcc": 0.75, "EAcc": 0.5, "CAcc": 1.0, "Delta": 0.25, "RE": 0.5}
    assert metrics.version_accuracy([[1, 0]])["RE"] == math.inf
