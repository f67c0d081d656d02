from reasoning_jax.tasks.augmented import AugmentedWordChain
from reasoning_jax.tasks.wordchain import WordChain

SIZES = {"length": 3, "maximum": 20}


def test_the_operations_stand_behind_the_story():
    task, plain = AugmentedWordChain(**SIZES), WordChain(**SIZES)
    for index in range(20):
        problem, story = task.problem("test", index), plain.problem("test", index)
        start, complement = problem.prompt.rstrip("\n)").rsplit(" (", 1)
        assert start + "\n" == story.prompt
        assert (problem.answer, problem.solution) == (story.answer, story.solution)
        value = None
        for line in problem.solution.split("\n")[:3]:
            left = line.split("=")[0]
            before = left.rstrip("0123456789")  # the value before and the operator
            value = (before[:-1] if value is None else value) + left[len(before) - 1 :]
        assert complement == value
        assert set(problem.prompt + problem.solution) <= set(task.alphabet)
        assert task.grade(problem, problem.solution).correct
        assert all(task.step_labels(problem, problem.solution).correct)
