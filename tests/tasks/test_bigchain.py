"""Chains of large numbers, by hand."""

import dataclasses

import pytest

from reasoning_jax.tasks.bigchain import BigChain
from reasoning_jax.text import CharTokenizer
from reasoning_jax.tools import Syntax, encode_worked
from reasoning_jax.types import Problem

SYNTAX = Syntax("{", "}", "", ";", "?")


@pytest.fixture
def problem():
    """Of 48*29+562= : 1392, then 1954."""
    info = {"operands": [48, 29, 562], "operators": "*+", "steps": [1392, 1954]}
    return Problem("bigchain/test/0", "bigchain", "48*29+562=", "1954", info=info)


@pytest.mark.parametrize(
    "response, reason, extracted",
    [
        ("{48*29}1392;{1392+562}1954;=1954", "exact", "1954"),
        ("{48*29}{1392+562}=1954", "exact", "1954"),
        ("=01954", "exact", "1954"),
        ("=1=1954", "exact", "1954"),
        ("=1955", "different", "1955"),
        ("=-1954", "different", "-1954"),
        ("1954", "no_answer", None),
        ("{48*29}{1392+562}", "no_answer", None),
        ("={1392+562}", "format", None),
        ("=", "format", None),
        ("=1954;", "format", None),
        ("=+1954", "format", None),
        ("=" + "9" * 61, "format", None),
    ],
)
def test_grade_by_hand(problem, response, reason, extracted):
    verdict = BigChain().grade(problem, response)
    assert verdict.correct is (reason == "exact")
    assert (verdict.reason, verdict.extracted) == (reason, extracted)


@pytest.mark.parametrize(
    "response, steps, correct, valid",
    [
        (
            "{48*29}1392;{1392+562}1954;=1954",
            ("{48*29}1392;", "{1392+562}1954;", "=1954"),
            (1, 1, 1),
            (1, 1, 1),
        ),
        ("{48*29}{1392+562}=1954", ("{48*29}", "{1392+562}", "=1954"), (1, 1, 1), (1, 1, 1)),
        ("1392;1954;=1954", ("1392;", "1954;", "=1954"), (1, 1, 1), (1, 1, 1)),
        # 47*29 is 1363: the rest follows from it.
        ("{47*29}{1363+562}=1925", ("{47*29}", "{1363+562}", "=1925"), (0, 0, 0), (0, 1, 1)),
        ("{48*29}{1392+562}=1955", ("{48*29}", "{1392+562}", "=1955"), (1, 1, 0), (1, 1, 0)),
        ("{48*29}{0}=1954", ("{48*29}", "{0}", "=1954"), (1, 0, 1), (1, 0, 0)),
        ("{48*}x;=1954", ("{48*}x;", "=1954"), (0, 1), (0, 0)),
        ("{1}{2}{3}=", ("{1}", "{2}", "{3}", "="), (0, 0, 0, 0), (0, 0, 0, 0)),
        ("", (), (), ()),
    ],
)
def test_step_labels_by_hand(problem, response, steps, correct, valid):
    labels = BigChain().step_labels(problem, response)
    assert labels.steps == steps
    assert labels.correct == tuple(map(bool, correct))
    assert labels.valid == tuple(map(bool, valid))
    assert labels.first_error == (correct.index(0) if 0 in correct else -1)


def test_ways_are_of_one_kind_of_problem():
    calls, alone = BigChain(), BigChain(way="alone")
    for index in range(50):
        one, other = calls.problem("test", index), alone.problem("test", index)
        assert (one.prompt, one.answer, one.info) == (other.prompt, other.answer, other.info)
        own = "".join(written for written, _ in SYNTAX.split(one.solution))
        assert calls.grade(one, own).correct is True
        results = [body for _, body in SYNTAX.split(one.solution) if body is not None]
        assert other.solution == "".join(f"{r};" for r in results) + f"={one.answer}"


def test_results_of_demonstrations_are_not_trained():
    task = BigChain()
    tokenizer = CharTokenizer(task.alphabet)
    for index in range(20):
        problem = task.problem("train", index)
        ids, trained = encode_worked(tokenizer, SYNTAX, problem.prompt, problem.solution, 12)
        assert tokenizer.decode(ids) == problem.prompt + problem.solution
        own = tokenizer.decode(i for i, t in zip(ids, trained) if t)
        assert own.count("}") == 2 and ";" not in own and own.endswith(problem.solution[-2:])


def test_the_teacher_errs_in_training_alone():
    task = BigChain(noise=0.3)

    def right(split):
        problems = [task.problem(split, index) for index in range(400)]
        return sum(bool(task.grade(p, p.solution).correct) for p in problems) / 400

    assert right("test") == 1
    # A digit drawn anew is another one 9 times in 10; times zero hides it now and then.
    assert 0.45 < right("train") < 0.65


def test_the_teacher_carries_on_what_it_misread():
    task = dataclasses.replace(BigChain(), noise=1.0)
    for index in range(50):
        problem = task.problem("train", index)
        labels = task.step_labels(problem, problem.solution)
        assert labels.valid[-1] and len(labels.steps) == 3


@pytest.mark.parametrize(
    "knobs, message",
    [
        ({"length": 0}, r"length must be in \[1, 8\]"),
        ({"digits": 7}, r"digits must be in \[1, 6\]"),
        ({"way": "tool"}, "way must be one of calls, alone"),
        ({"operations": "/"}, "operations"),
        ({"noise": 1.5}, "noise"),
    ],
)
def test_impossible_knobs_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        BigChain(**knobs)


def test_mixed_solutions_call_at_about_half_of_the_steps_and_are_right_throughout():
    task = BigChain(length=3, digits=1, way="mixed", noise=0.0)
    problems = [task.problem("train", index) for index in range(400)]
    for problem in problems[:50]:
        assert task.grade(problem, problem.solution).correct
        assert all(task.step_labels(problem, problem.solution).valid)
    calls = sum(problem.solution.count("{") for problem in problems)
    assert 500 < calls < 700  # of 1200, sd 17
    called = BigChain(length=3, digits=1, way="calls", noise=0.0).problem("train", 0)
    assert called.prompt == problems[0].prompt
