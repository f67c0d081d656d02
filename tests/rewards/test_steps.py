"""Rewards and places of steps, by hand."""

import pytest

from reasoning_jax.rewards.steps import correct_steps, marked_steps, step_ends, valid_steps
from reasoning_jax.tasks import load_task
from reasoning_jax.text import load_tokenizer
from reasoning_jax.types import Completion, Problem, Verdict

CHAIN = {"operands": [7, 5, 4, 9], "operators": "+*-", "steps": [2, 8, 9]}


@pytest.fixture(scope="module")
def task():
    return load_task("modchain", length=3)


def completion(text, tokenizer, **fields):
    ids = (*tokenizer.encode(text), tokenizer.eos_ids[0])
    return Completion(text, ids, (0.0,) * len(ids), "stop", **fields)


@pytest.fixture(scope="module")
def tokenizer(task):
    return load_tokenizer(f"char:{task.alphabet}")


def labelled(labeller, task, tokenizer, text, correct):
    problem = Problem("modchain/train/0", "modchain", "7+5*4-9=", "9", info=CHAIN)
    return labeller(task, problem, completion(text, tokenizer), Verdict(correct, "exact"))


def test_labels_by_hand(task, tokenizer):
    # 7+5 = 2, then 2*4 = 8, then 8-9 = 9 modulo 10: the middle step is off, the last follows.
    found = labelled(correct_steps, task, tokenizer, "2,7,8", False)
    assert found == [("2", 1.0), ("7", -1.0), ("8", -1.0)]
    found = labelled(valid_steps, task, tokenizer, "2,7,8", False)
    assert found == [("2", 1.0), ("7", -1.0), ("8", 1.0)]


def test_marks_turn_round_in_wrong_solutions(task, tokenizer):
    marks = [mark for _, mark in labelled(marked_steps, task, tokenizer, "2,7,8", False)]
    assert marks == [0.0, 1.0, 1.0]
    # A wrong step in a solution that ends right is the one without a mark.
    marks = [mark for _, mark in labelled(marked_steps, task, tokenizer, "2,7,9", True)]
    assert marks == [1.0, 0.0, 1.0]


def test_ends_take_the_separator_and_leave_the_end_of_sequence(tokenizer):
    ends = step_ends(tokenizer, completion("12,3,4", tokenizer), ["12", "3", "4"])
    assert ends == [2, 4, 5]
    assert step_ends(tokenizer, completion("12", tokenizer), []) == []


def test_ends_skip_results_of_tools(tokenizer):
    # 1 , [8 8] 2: what was not sampled is no part of a step
    ids = (*tokenizer.encode("1,882"), tokenizer.eos_ids[0])
    called = Completion(
        "1,2", ids, (0.0,) * 6, "stop", sampled=(True, True, False, False, True, True)
    )
    assert step_ends(tokenizer, called, ["1", "2"]) == [1, 4]


class Pieces:
    """A tokenizer of two characters an id."""

    def decode(self, ids):
        return "".join(("ab", "cd", "ef")[i] for i in ids)


def test_steps_that_share_a_token_end_apart_where_they_can():
    found = Completion("abcdef", (0, 1, 2), (0.0,) * 3, "stop")
    assert step_ends(Pieces(), found, ["abc", "d", "ef"]) == [1, 2, 2]


def test_a_step_that_is_not_there_is_named():
    found = Completion("abcdef", (0, 1, 2), (0.0,) * 3, "stop")
    with pytest.raises(ValueError, match="step 'x' is not in 'cdef'"):
        step_ends(Pieces(), found, ["ab", "x"])
