"""Choosing among answers by scores, on numbers worked by hand."""

import math

import numpy as np
import pytest

from reasoning_jax.evals.choosing import (
    best_at_k,
    pair_accuracy,
    pessimistic_choice,
    weighted_at_k,
    weighted_vote,
)

SCORES = np.array([[0.1, 0.9, 0.5, 0.5], [0.3, 0.3, 0.2, 0.8]])
RIGHT = np.array([[True, False, True, True], [False, True, True, False]])


def test_the_best_of_the_first_k():
    # Of the first two: 0.9, wrong, and the first of two equal ones, wrong; of one: right, wrong.
    assert best_at_k(SCORES, RIGHT, 2) == 0
    assert best_at_k(SCORES, RIGHT, 1) == 0.5
    assert best_at_k(-SCORES, RIGHT, 4) == 1  # 0.1 and 0.2
    with pytest.raises(ValueError, match="k is 5"):
        best_at_k(SCORES, RIGHT, 5)


def test_a_vote_adds_weights_up():
    assert weighted_vote(["a", "b", "b"], [0.9, 0.5, 0.5]) == "b"
    assert weighted_vote(["a", "b", "b"], [0.9, 0.4, 0.4]) == "a"
    assert weighted_vote(["a", None, "b"], [0.5, 9, 0.5]) == "a"
    assert weighted_vote([None], [1]) is None
    answers = [["2", "3", "2", "2"], ["1", "5", "5", None]]
    # 1.1 for "2", which is right; "5" with 0.5 against "1" with 0.3, right; the last has no vote.
    assert weighted_at_k(answers, SCORES, RIGHT, 4) == 1
    assert weighted_at_k(answers, SCORES, RIGHT, 2) == 0
    assert weighted_at_k([[None, None]], SCORES[:1, :2], RIGHT[:1, :2], 2) == 0


def test_pessimistic_choice_case(cases):
    case = cases("heimdall")
    answers = [solution["answer"] for solution in case["solutions"]]
    verdicts = [solution["verdicts"] for solution in case["solutions"]]
    for alpha, wanted in case["by_alpha"].items():
        assert pessimistic_choice(answers, verdicts, alpha=float(alpha)) == wanted["choice"]


def test_an_answer_that_is_not_there_is_not_chosen():
    assert pessimistic_choice([None, "a"], [[1, 1], [0, 0]], alpha=0.1) == "a"
    assert pessimistic_choice([None], [[1]], alpha=0.1) is None
    # Without verdicts for either the one with more solutions is penalised less.
    assert pessimistic_choice(["a", "b", "b"], [[0]] * 3, alpha=0.1) == "b"


def test_pairs_of_right_and_wrong():
    there = np.ones_like(RIGHT)
    # First row: 0.1, 0.5, 0.5 against 0.9; second: 0.3 and 0.2 against 0.3 (a tie) and 0.8.
    assert pair_accuracy(SCORES, RIGHT, there) == pytest.approx(0.5 / 7)
    assert pair_accuracy(-SCORES, RIGHT, there) == pytest.approx(6.5 / 7)
    there[0] = False
    assert pair_accuracy(-SCORES, RIGHT, there) == pytest.approx(3.5 / 4)
    assert math.isnan(pair_accuracy(SCORES, RIGHT & False, there))
