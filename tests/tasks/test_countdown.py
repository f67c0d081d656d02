import time

import pytest

from reasoning_jax.tasks.countdown import Countdown, Try, countdown_reward, judge
from reasoning_jax.types import Problem

REACH_60 = Problem(
    id="countdown/test/0",
    task="countdown",
    prompt="3,5,25=60?\n",
    answer="(25-5)*3",
    info={"numbers": [3, 5, 25], "target": 60},
)
TASK = Countdown()


@pytest.mark.parametrize(
    ("expression", "numbers", "target", "reward"),
    [
        ("(25-5)*3", [3, 5, 25], 60, 1.0),  # 20*3
        ("25*3-5", [3, 5, 25], 60, 0.1),  # 70
        ("25+35", [3, 5, 25], 60, 0.1),  # 60, but 35 is not given
        (None, [3, 5, 25], 60, 0.0),
        ("(3+5", [3, 5], 8, 0.1),
        ("3+5", [3, 5, 25], 8, 0.1),  # every number must be used
        ("5+5", [3, 5], 10, 0.1),
        ("8/(3-8/3)", [3, 3, 8, 8], 24, 1.0),  # 8/(1/3), exact only in fractions
        ("9**9**9", [9, 9, 9], 1, 0.1),
    ],
)
def test_reward(expression, numbers, target, reward):
    assert countdown_reward(expression, numbers, target) == reward


def test_cases(cases):
    for expression, numbers, target, reward in cases("small_tasks")["countdown"]:
        assert countdown_reward(expression, numbers, target) == reward


def test_reasons():
    reasons = ("(25-5)*3", "25*3-5", "25+35", "(3+5", None)
    assert [judge(e, [3, 5, 25], 60).reason for e in reasons] == [
        "exact",
        "different",
        "numbers",
        "format",
        "no_answer",
    ]


@pytest.mark.parametrize(
    "expression", ["9**9**9", "9" * 10**6, "(" * 5_000 + "1" + ")" * 5_000, "9*" * 5_000 + "9"]
)
def test_hostile_expressions_return_quickly(expression):
    start = time.perf_counter()
    assert TASK.grade(REACH_60, f"=>{expression}").reason == "format"
    assert not any(TASK.step_labels(REACH_60, f"{expression}\n=>{expression}").correct)
    assert time.perf_counter() - start < 1


def test_grade_reads_after_the_last_arrow():
    assert TASK.grade(REACH_60, "3+5=8,8*25=200x\n=>(25-5)*3").correct is True
    assert TASK.grade(REACH_60, "=>3*5*25\n=>(25-5)*3\nthat is it").correct is True
    assert TASK.grade(REACH_60, "=>(25-5)*3\n=>3*5*25").reason == "different"
    assert TASK.grade(REACH_60, "(25-5)*3").reason == "no_answer"


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("3+5=8,8*25=200x", True),
        ("25-5=20,20*3=60", True),
        ("25-5=20,20*3=60x", False),  # hits, but marked a miss
        ("3+5=8,8*25=200", False),  # misses, but not marked
        ("3+5=9,9*25=225x", False),
        ("3+5=8x", False),  # 25 is left over
        ("3+3=6,6*25=150x", False),  # only one 3
        ("3+5=8,3*25=75x", False),  # the 3 is used up
        ("25/5=5,5*3=15x", True),
        ("5/3=1,1*25=25x", False),
        ("nonsense", False),
        ("=>(25-5)*3", True),
        ("=>25*3-5", False),
    ],
)
def test_step_labels(line, holds):
    labels = TASK.step_labels(REACH_60, f"3+5=8,8*25=200x\n{line}")
    assert labels.correct == labels.valid == (True, holds)
    assert labels.first_error == (-1 if holds else 1)


def test_division_by_zero_in_a_try():
    problem = Problem("x", "countdown", "", "", info={"numbers": [5, 5, 3], "target": 3})
    assert TASK.step_labels(problem, "5-5=0,3/0=0x").correct == (False,)


def test_solutions_show_at_most_the_misses_allowed():
    task = Countdown(misses=2)
    shown = [task.problem("train", i).solution.count("x") for i in range(300)]
    assert set(shown) == {0, 1, 2}
    for index in range(100):
        info = task.problem("train", index).info
        assert 1 <= info["target"] <= 100 and all(1 <= n <= 20 for n in info["numbers"])


def test_the_order_of_the_numbers_does_not_change_the_split():
    attempt = Try(("25-5=20", "20*3=60"), "(25-5)*3", 60)
    assert TASK.key(([3, 5, 25], attempt)) == TASK.key(([25, 3, 5], attempt))


def test_a_fixed_example():
    problem = Countdown().problem("test", 0)
    assert problem.prompt == "15,2,15=32?\n"  # 2+15=17, 15+17=32
    assert problem.solution == "2+15=17,15+17=32\n=>15+(2+15)"
