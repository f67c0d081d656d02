import random

import pytest

from reasoning_jax.preference.pairs import parse_template
from reasoning_jax.tasks.templated import CAUSE, Tagged, TemplatedWordChain
from reasoning_jax.types import Problem

TASK = TemplatedWordChain(length=3, maximum=20, noise=0.4)
INFO = {"start": 3, "operators": "+*", "operands": [4, 2], "steps": [7, 14]}
PROBLEM = Problem("x", "templated_wordchain", "Q", "14", info=INFO)
FIRST = "<Step1>\n3+4=7\n</Step1>\n"
SECOND = "<Step2>\n<Key>times</Key>\n7*2=14\n</Step2>\n"
SLIP = "<Step2>\n<Key>times</Key>\n7*2=15\n</Step2>\n"
END = "<Generalized>\nstart, then + *\n</Generalized>\n<Answer>14</Answer>"


def test_a_clean_solution_is_in_the_template():
    solution = TASK._template((3, ["+", "*"], [4, 2]), 0.0, random.Random(0))
    assert solution == FIRST + SECOND + END
    parsed = parse_template(solution)
    assert [step.key for step in parsed.steps] == [None, "times"]
    assert [step.body for step in parsed.steps] == ["3+4=7", "7*2=14"]
    assert (parsed.generalized, parsed.answer) == ("start, then + *", "14")


def test_the_teacher_sees_some_of_its_slips():
    seen = wrong = carried = 0
    for index in range(300):
        problem = TASK.problem("train", index)
        labels = TASK.step_labels(problem, problem.solution)
        seen += problem.solution.count(CAUSE)
        wrong += labels.correct.count(False)
        carried += not TASK.grade(problem, problem.solution).correct
        assert set(problem.prompt + problem.solution) <= set(TASK.alphabet)
    assert seen and wrong > seen and carried
    always = TemplatedWordChain(length=3, maximum=20, noise=0.4, seen=1.0)
    for index in range(100):
        problem = always.problem("train", index)
        assert always.grade(problem, problem.solution).correct


@pytest.mark.parametrize(
    "response, correct, first_error",
    [
        (FIRST + SECOND, (True, True), -1),
        (FIRST + SLIP + CAUSE + "it is 7*2\n</Cause>\n" + SECOND, (True, False, True), 1),
        (FIRST + SLIP + FIRST, (True, False, False), 1),  # that was right
        (FIRST + FIRST, (True, False), 1),
        (SECOND, (False,), 0),
        ("<Step1>\nthree\n</Step1>\n", (False,), 0),
        ("nothing", (), -1),
    ],
)
def test_labels(response, correct, first_error):
    labels = TASK.step_labels(PROBLEM, response)
    assert (labels.correct, labels.first_error) == (correct, first_error)


@pytest.mark.parametrize(
    "response, verdict",
    [
        (FIRST + SECOND + END, (True, "exact")),
        ("<Answer>15</Answer>", (False, "different")),
        ("14", (False, "no_answer")),
    ],
)
def test_grades(response, verdict):
    found = TASK.grade(PROBLEM, response)
    assert (found.correct, found.reason) == verdict


def test_steps_are_cut_by_their_tags():
    steps = Tagged()
    assert steps.cut(FIRST + SLIP + END, 1) == (FIRST, SLIP)
    assert steps.first("it is 7*2\n</Cause>\n" + SECOND + END, 1).endswith(SECOND)
    assert steps.first("it is", 1) == ""
    with pytest.raises(ValueError, match="step 2 of a response of 1 blocks"):
        steps.cut(FIRST, 2)


def test_a_perfect_teacher():
    cause, step = TASK.correction(PROBLEM, 1)
    assert (cause, step) == ("it is 7*2\n</Cause>\n", SECOND)
    assert TASK.correction(PROBLEM, 0)[1] == FIRST
    assert TASK.correction(PROBLEM, len(PROBLEM.info["steps"])) is None
