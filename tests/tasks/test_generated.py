"""What all generated tasks promise, checked on each of them."""

import dataclasses
import json
import os
import subprocess
import sys
import zlib

import pytest

from reasoning_jax.tasks import load_task
from reasoning_jax.tasks.splits import SPLITS, split_of
from reasoning_jax.types import Problem

TASKS = {
    "modchain": {},
    "wordchain": {},
    "countdown": {},
    "knights": {},
    "dag": {},
    "bigchain": {},
}
VARIANTS = [
    *TASKS.items(),
    ("modchain", {"length": 3, "modulus": 5, "operations": "+-"}),
    ("modchain", {"modulus": 97}),
    ("bigchain", {"length": 3, "digits": 2, "way": "alone"}),
    ("wordchain", {"length": 7, "maximum": 200}),
    ("countdown", {"count": 4, "misses": 6}),
    ("knights", {"people": 3}),
    ("dag", {"min_variables": 8, "max_variables": 12, "noise": 0.1}),
]


@pytest.fixture(params=VARIANTS, ids=lambda v: f"{v[0]}{''.join(map(str, v[1].values()))}")
def task(request):
    name, options = request.param
    return load_task(name, **options)


def test_clean_solutions_are_right_in_every_step(task):
    for split in ("validation", "test"):
        for index in range(60):
            problem = task.problem(split, index)
            assert task.grade(problem, problem.solution).correct is True
            labels = task.step_labels(problem, problem.solution)
            assert labels.steps and all(labels.correct) and all(labels.valid)
            assert labels.first_error == -1


def test_alphabet_covers_prompts_and_solutions_with_at_most_64_characters(task):
    assert len(task.alphabet) == len(set(task.alphabet)) <= 64
    for split in SPLITS:
        for index in range(100):
            problem = task.problem(split, index)
            assert set(problem.prompt + problem.solution) <= set(task.alphabet)


def test_problems_are_reproducible_and_serialisable(task):
    again = dataclasses.replace(task)
    for split in SPLITS:
        problem = task.problem(split, 7)
        assert isinstance(problem, Problem)
        assert problem.id == f"{task.name}/{split}/7" and problem.task == task.name
        assert again.problem(split, 7) == problem
        assert json.loads(json.dumps(problem.info)) == problem.info


def test_seed_and_index_matter(task):
    other = dataclasses.replace(task, seed=1)
    train, again = ([t.problem("train", i).prompt for i in range(40)] for t in (task, other))
    assert train != again
    assert len(set(train)) > 30


def test_faulty_responses_never_raise(task):
    problem = task.problem("test", 0)
    garbage = ("", " ", ",", "\n", ";", "=>", "#### ", "x" * 5_000, "(" * 5_000, "9**9**9", "=1=2")
    for response in (*garbage, "9" * 10_000, "<think>", "</think><answer></answer>", "٣,²"):
        assert task.grade(problem, response).correct is False
        labels = task.step_labels(problem, response)
        assert len(labels.steps) == len(labels.correct) == len(labels.valid)
        assert not any(labels.correct)
        assert labels.first_error == (0 if labels.steps else -1)


@pytest.mark.parametrize("name", TASKS)
def test_splits_share_no_prompt(name):
    task = load_task(name)
    other = load_task(name, seed=1)
    train = {t.problem("train", i).prompt for t in (task, other) for i in range(2_000)}
    held_out = {
        split: {t.problem(split, i).prompt for t in (task, other) for i in range(200)}
        for split in ("validation", "test")
    }
    assert len(train) > 1_000
    assert not train & held_out["validation"]
    assert not train & held_out["test"]
    assert not held_out["validation"] & held_out["test"]


def test_buckets_hold_a_tenth_each():
    # The check value of CRC-32: 0xCBF43926 = 3421780262, whose last digit is not 0 or 1.
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert split_of("123456789") == "train"
    shares = [split_of(f"{a}+{b}") for a in range(100) for b in range(100)]
    # 10,000 draws at 0.1: standard deviation 30.
    assert abs(shares.count("validation") - 1_000) < 150
    assert abs(shares.count("test") - 1_000) < 150


def test_another_process_draws_the_same_problems():
    program = (
        "from reasoning_jax.tasks import load_task\n"
        f"for name in {list(TASKS)!r}:\n"
        "    for split in ('train', 'test'):\n"
        "        problem = load_task(name).problem(split, 3)\n"
        "        print(repr((problem.prompt, problem.solution)))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    here = [load_task(name).problem(split, 3) for name in TASKS for split in ("train", "test")]
    assert done.stdout.splitlines() == [repr((p.prompt, p.solution)) for p in here]


def test_sizes_and_bounds():
    task = load_task("modchain", train_size=3, validation_size=0, test_size=1)
    assert [task.size(split) for split in SPLITS] == [3, 0, 1]
    task.problem("train", 2)
    for split, index in (("train", 3), ("train", -1), ("validation", 0)):
        with pytest.raises(IndexError, match=f"modchain has . {split} problems"):
            task.problem(split, index)
    for call in (task.size, lambda split: task.problem(split, 0)):
        with pytest.raises(ValueError, match=r"'dev'.*train, validation, test"):
            call("dev")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("modchain", {"length": 0}, "length must be at least 1, got 0"),
        ("modchain", {"modulus": 1}, "modulus"),
        ("modchain", {"operations": "+/"}, "operations"),
        ("modchain", {"operations": ""}, "operations"),
        ("modchain", {"noise": 1.5}, "noise"),
        ("modchain", {"test_size": -1}, "test_size"),
        ("modchain", {"length": 1, "modulus": 5, "operations": "+"}, "different ones"),  # 25
        ("wordchain", {"length": 1, "maximum": 5}, "different ones"),
        ("wordchain", {"maximum": 1}, "maximum"),
        ("countdown", {"count": 1}, "count"),
        ("countdown", {"count": 2, "max_number": 3}, "different ones"),
        ("countdown", {"misses": -1}, "misses"),
        ("knights", {"people": 4}, "people must be 2 or 3, got 4"),
        ("dag", {"min_variables": 9}, "max_variables"),
        ("dag", {"min_variables": 2, "max_variables": 2, "modulus": 3}, "different ones"),
    ],
)
def test_knobs_are_checked(name, options, message):
    with pytest.raises(ValueError, match=message):
        load_task(name, **options)
