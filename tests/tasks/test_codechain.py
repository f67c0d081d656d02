"""Programs for chains: what is posed, and what passes its tests."""

import json

import pytest

from reasoning_jax.tasks import load_task

CODE = "reasoning_jax.tasks.codechain:CodeChain"


@pytest.fixture(scope="module")
def task():
    return load_task(CODE, length=3, noise=0.3)


def test_a_program_does_the_operations_one_by_one(task):
    for index in range(40):
        problem = task.problem("test", index)
        json.dumps(problem.info)
        value = 5
        for operator, operand in zip(problem.prompt[1::2], problem.prompt[2::2]):
            value = {"+": value + int(operand), "-": value - int(operand)}.get(
                operator, value * int(operand)
            )
        assert eval(problem.answer, {"x": 5}) == value
        assert problem.solution == problem.answer
        assert task.grade(problem, problem.solution).reason == "exact"
        assert set(problem.prompt + problem.solution) <= set(task.alphabet)


def test_the_teacher_errs_in_training(task):
    right = [
        task.grade(problem, problem.solution).correct
        for problem in (task.problem("train", index) for index in range(200))
    ]
    # (1 - 0.3 * 0.9)^3 = 0.39, and some slips change nothing, as after a product with 0
    assert 0.3 < sum(right) / 200 < 0.55


def test_grades_by_hand(task):
    problem = task.problem("test", 0)
    info = {"tests": [[2, 10], [-1, 4]]}  # (x+3)*2
    problem = type(problem)("p", "codechain", "x+3*2:", "((x+3)*2)", info=info)
    for response, correct, reason in (
        ("((x+3)*2)", True, "exact"),
        ("2*x+6", True, "exact"),
        ("x+3*2", False, "tests"),
        ("10", False, "format"),
        ("((x+3)*2", False, "format"),
        ("x/3", False, "format"),
        ("", False, "format"),
    ):
        verdict = task.grade(problem, response)
        assert (verdict.correct, verdict.reason) == (correct, reason), response
    assert task.step_labels(problem, "2*x+6").correct == (True,)
    assert task.step_labels(problem, "x").first_error == 0


@pytest.mark.parametrize("options", [{"length": 0}, {"length": 21}, {"tests": 0}, {"noise": 2}])
def test_bad_knobs_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        load_task(CODE, **options)
