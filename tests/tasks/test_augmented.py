import json

import pytest

from reasoning_jax.tasks import load_task
from reasoning_jax.tasks.augmented import (
    AugmentedWordChain,
    StoryComplement,
    WrittenAugmentedWordChain,
)
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


def test_an_augmentation_model_is_asked_for_the_same_complements():
    task, augmented = StoryComplement(**SIZES), AugmentedWordChain(**SIZES)
    for split in ("train", "test"):
        problem, posed = task.problem(split, 3), augmented.problem(split, 3)
        assert posed.prompt == f"{problem.prompt.rstrip()} ({problem.answer})\n"
        assert problem.solution == problem.answer and task.grade(problem, f" {problem.answer}\n")
        assert not task.grade(problem, problem.answer + "1").correct
        assert set(problem.prompt + problem.answer) <= set(task.alphabet)
    with pytest.raises(ValueError, match="no steps"):
        task.step_labels(problem, "1")


def test_written_complements_stand_behind_their_stories(tmp_path):
    stories = [WordChain(**SIZES).problem("train", index).prompt for index in range(3)]
    path = tmp_path / "complements.jsonl"
    written = zip(stories, ("1+1", "", "2 and 2!"))
    path.write_text(
        "".join(json.dumps({"prompt": p, "complement": text}) + "\n" for p, text in written)
    )
    name = "reasoning_jax.tasks.augmented:WrittenAugmentedWordChain"
    task = load_task(name, str(path), **SIZES)
    assert task.problem("train", 0).prompt == stories[0].rstrip() + " (1+1)\n"
    assert task.problem("train", 1).prompt == stories[1]  # nothing was written: nothing is added
    with pytest.raises(ValueError, match="'2 and 2!' has characters besides"):
        task.problem("train", 2)
    with pytest.raises(ValueError, match=r"no complement of .*as many problems of each split"):
        task.problem("test", 0)
    with pytest.raises(ValueError, match="reads files: give data="):
        load_task(name, **SIZES)
    (tmp_path / "other.jsonl").write_text('{"prompt": "a"}\n')
    with pytest.raises(ValueError, match="line 1: complement is None, not text"):
        WrittenAugmentedWordChain(data=str(tmp_path / "other.jsonl"))
