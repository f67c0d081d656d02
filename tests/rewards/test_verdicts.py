"""The verifier's task: balanced, disjoint, graded by its verdict."""

import pytest

from reasoning_jax.rewards.verdicts import MARK, Verdicts
from reasoning_jax.tasks import Task, load_task


@pytest.fixture(scope="module")
def task():
    return load_task("reasoning_jax.rewards.verdicts:Verdicts", base_options={"length": 3})


def test_it_is_a_task(task):
    assert isinstance(task, Task)
    problem = task.problem("train", 5)
    assert problem == task.problem("train", 5)
    assert set(problem.prompt + problem.solution) <= set(task.alphabet)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_labels_are_balanced_and_true(task, split):
    base = load_task("modchain", length=3)
    for index in range(20):
        problem = task.problem(split, index)
        shown = problem.prompt.removesuffix(MARK).partition("=")[2]
        prompt = problem.prompt.partition("=")[0] + "="
        assert problem.info["base"]["prompt"] == prompt
        right = shown.split(",")[-1] == problem.info["base"]["answer"]
        assert (problem.answer == "y") is right is (index % 2 == 0)
        assert base.size(split) == task.size(split)


def test_imitated_work_is_right_but_in_training(task):
    graded = {
        split: [
            task.grade(problem, problem.solution).correct
            for problem in (task.problem(split, index) for index in range(200))
        ]
        for split in ("train", "test")
    }
    assert all(graded["test"]) and 0.5 < sum(graded["train"]) / 200 < 1


def test_problems_belong_to_one_split(task):
    prompts = {
        split: {task.problem(split, i).info["base"]["prompt"] for i in range(200)}
        for split in ("train", "validation", "test")
    }
    assert not prompts["train"] & prompts["test"]
    assert not prompts["train"] & prompts["validation"]


def test_grades_by_hand(task):
    problem = task.problem("test", 1)  # a wrong solution is shown
    for response, correct, reason in (
        ("1,2,3|n", True, "exact"),
        ("|n", True, "exact"),
        ("1,2,3|y", False, "different"),
        ("1,2,3|", False, "no_verdict"),
        ("n", False, "no_verdict"),
        ("1|y|n", True, "exact"),
    ):
        verdict = task.grade(problem, response)
        assert (verdict.correct, verdict.reason) == (correct, reason), response


def test_solutions_of_another_teacher_are_posed_for_verification(task):
    posed = [task.solutions("test", i, 6, task.solver({"noise": 0.9})) for i in range(12)]
    again = task.solutions("test", 3, 4, task.solver({"noise": 0.9}))
    assert again[1] == posed[3][1][:4]
    for problem, verifications in posed:
        for one in verifications:
            assert one.prompt == f"{problem.prompt}{one.info['solution']}{MARK}"
            right = task.base_verdict(problem, one.info["solution"]).correct
            assert one.answer == ("y" if right else "n")
    labels = [one.answer for _, verifications in posed for one in verifications]
    assert 0 < labels.count("y") < labels.count("n")
    prompts = {task.problem("train", i).info["base"]["prompt"] for i in range(200)}
    assert not prompts & {problem.prompt for problem, _ in posed}


def test_steps_are_those_of_the_base(task):
    problem = task.problem("test", 0)
    labels = task.step_labels(problem, problem.solution)
    assert labels.correct == (True,) * 3


@pytest.mark.parametrize(
    ("base", "options", "part"),
    [
        ("countdown", {}, "writes no wrong solution"),
        ("modchain", {"noise": 0.0}, "writes no wrong solution"),
        ("dag", {}, "another way each time"),
        ("reasoning_jax.rewards.verdicts:Verdicts", {}, "no embedded task"),
    ],
)
def test_bases_that_cannot_be_judged_are_refused(base, options, part):
    with pytest.raises(ValueError, match=part):
        Verdicts(base, options)
