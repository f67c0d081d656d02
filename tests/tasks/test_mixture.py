"""A mixture is its parts: their problems, their grading, their labels."""

import pytest

from reasoning_jax.tasks import Task, load_task

PARTS = {
    "short": {"task": "modchain", "length": 3, "train_size": 30},
    "sets": {"task": "countdown", "train_size": 10},
}


@pytest.fixture(scope="module")
def task():
    return load_task("reasoning_jax.tasks.mixture:Mixture", parts=PARTS)


def test_every_problem_of_every_part_once_and_evenly(task):
    assert isinstance(task, Task) and task.size("train") == 40
    problems = [task.problem("train", index) for index in range(40)]
    assert len({problem.id for problem in problems}) == 40
    parts = [problem.info["part"] for problem in problems]
    # A quarter of any eight are of the smaller part.
    assert all(1 <= parts[i : i + 8].count("sets") <= 3 for i in range(0, 40, 8))
    first = problems[parts.index("short")]
    plain = load_task("modchain", length=3, train_size=30).problem("train", 0)
    assert first.id == f"short/{plain.id}" and first.prompt == plain.prompt


def test_grades_and_labels_as_the_part_does(task):
    for index in range(8):
        problem = task.problem("test", index)
        assert task.grade(problem, problem.solution).correct
        assert all(task.step_labels(problem, problem.solution).correct)
        assert set(problem.prompt + problem.solution) <= set(task.alphabet)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "parts is empty"),
        ({"a": "modchain"}, "part 'a' is 'modchain'"),
        ({"a": {"task": "modchain", "modulus": 1}}, "modulus"),
        ({"a": {"task": "chess"}}, "chess"),
    ],
)
def test_bad_parts_are_named(parts, message):
    with pytest.raises(ValueError, match=message):
        load_task("reasoning_jax.tasks.mixture:Mixture", parts=parts)
