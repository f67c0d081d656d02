import itertools

import pytest

from reasoning_jax.tasks.knights import Knights, knights_reward
from reasoning_jax.types import Problem

KINDS = {"ann": "knight", "bob": "knave"}
# ann: "bob is a knave"; bob: "ann is a knight and bob is a knight". Both knights: ann's words
# do not fit. ann knight, bob knave: hers are true, his false; it holds.
PUZZLE = Problem(
    id="knights/test/0",
    task="knights",
    prompt="",
    answer="ann is a knight. bob is a knave.",
    info={
        "names": ["ann", "bob"],
        "statements": [["and", [[1, False]]], ["and", [[0, True], [1, True]]]],
        "kinds": KINDS,
    },
)
TASK = Knights()
RIGHT = "<think>kk fails at ann\nkn holds</think><answer>ann is a knight. bob is a knave.</answer>"


@pytest.mark.parametrize(
    ("response", "reward"),
    [
        (RIGHT, 3.0),  # format 1, answer 2
        ("<think></think><answer>ann is a knave. bob is a knave.</answer>", -0.5),  # 1 - 1.5
        ("<think></think><answer>ann is a knight.</answer>", -1.0),  # 1 - 2
        (
            "<think></think><answer>ann is a knight, ann is a knave, bob is a knave</answer>",
            -1.0,
        ),
        ("<think></think><answer>42</answer>", -1.0),
        ("ann is a knight. bob is a knave.", -3.0),  # -1 - 2
        ("<answer>ann is a knight. bob is a knave.</answer><think></think>", -3.0),
        (RIGHT + RIGHT, -3.0),
        ("", -3.0),
    ],
)
def test_reward(response, reward):
    assert knights_reward(response, KINDS) == reward


def test_cases(cases):
    totals = cases("small_tasks")["kk"]
    assert knights_reward(RIGHT, KINDS) == totals["perfect"]
    wrong = RIGHT.replace("bob is a knave", "bob is a knight")
    assert knights_reward(wrong, KINDS) == totals["format_ok_wrong"]
    unreadable = RIGHT.replace("bob is a knave", "bob")
    assert knights_reward(unreadable, KINDS) == totals["format_ok_unparsable"]
    assert knights_reward(RIGHT.removeprefix("<think>"), KINDS) == totals["bad_format"]


def test_labels():
    labels = TASK.step_labels(PUZZLE, RIGHT)
    assert labels.steps[:2] == ("kk fails at ann", "kn holds")
    assert labels.correct == labels.valid == (True, True, True)
    wrong = TASK.step_labels(
        PUZZLE,
        "<think>kk fails at bob\nnk holds</think><answer>ann is a knave. bob is a knight.</answer>",
    )
    # With two knights bob's words fit; with ann a knave bob's do not; the answer follows.
    assert wrong.correct == (False, False, False)
    assert wrong.valid == (False, False, True)
    assert wrong.first_error == 0


def test_an_answer_that_does_not_follow():
    labels = TASK.step_labels(
        PUZZLE, "<think>kn holds</think><answer>ann is a knight. bob is a knight.</answer>"
    )
    assert labels.correct == labels.valid == (True, False)


@pytest.mark.parametrize("people", [2, 3])
def test_puzzles_have_exactly_one_solution(people):
    words = {
        "and": lambda claims: False not in claims,
        "or": lambda claims: True in claims,
        "if and only if": lambda claims: claims[0] == claims[-1],
    }
    task = Knights(people=people)
    for index in range(100):
        info = task.problem("test", index).info
        solutions = [
            kinds
            for kinds in itertools.product((True, False), repeat=people)
            if all(
                words[relation]([kinds[p] == knight for p, knight in claims]) == kinds[speaker]
                for speaker, (relation, claims) in enumerate(info["statements"])
            )
        ]
        stated = tuple(info["kinds"][name] == "knight" for name in info["names"])
        assert solutions == [stated]


def test_all_kinds_occur():
    task = Knights()
    answers = {tuple(task.problem("train", i).info["kinds"].values()) for i in range(300)}
    assert len(answers) >= 3


def test_a_fixed_example():
    problem = Knights().problem("test", 0)
    assert problem.prompt == (
        "leo says: leo is a knave or fay is a knave. fay says: leo is a knight if and only if "
        "fay is a knight. who is a knight and who is a knave?\n"
    )
    assert problem.answer == "leo is a knight. fay is a knave."
