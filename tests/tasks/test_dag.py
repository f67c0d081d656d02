import pytest

from reasoning_jax.tasks.dag import Dag
from reasoning_jax.types import Problem

# a=5; c=5*4=20; b=5+20=25 -> 2; d is not needed. Modulo 23.
ASKED = Problem(
    id="dag/test/0",
    task="dag",
    prompt="c=a*4;a=5;b=a+c;d=7;b?",
    answer="2",
    info={
        "definitions": {"a": "5", "c": "a*4", "d": "7", "b": "a+c"},
        "query": "b",
        "values": {"a": 5, "c": 20, "d": 7, "b": 2},
    },
)
TASK = Dag()


def test_labels_of_a_carried_slip():
    # 5*4 is not 21; 5+21=26 -> 3 follows from it.
    labels = TASK.step_labels(ASKED, "a=5;c=a*4=21;b=a+c=3")
    assert labels.steps == ("a=5", "c=a*4=21", "b=a+c=3")
    assert labels.correct == (True, False, False)
    assert labels.valid == (True, False, True)
    assert labels.first_error == 1


@pytest.mark.parametrize(
    ("response", "correct", "valid"),
    [
        ("a=5;c=a*4=20;b=a+c=2", (True, True, True), (True, True, True)),
        ("a=5;b=a+c=2", (True, True), (True, False)),  # c is not stated yet
        ("c=a*4=20;a=5;b=a+c=2", (True, True, True), (False, True, True)),
        ("a=5;c=a+4=9", (True, False), (True, False)),  # another definition
        ("a=5;c=20", (True, True), (True, False)),  # no definition shown
        ("a=5;z=3", (True, False), (True, False)),  # no such variable
        ("a=5;nonsense", (True, False), (True, False)),
    ],
)
def test_labels(response, correct, valid):
    labels = TASK.step_labels(ASKED, response)
    assert (labels.correct, labels.valid) == (correct, valid)


@pytest.mark.parametrize(
    ("response", "correct", "reason"),
    [
        ("a=5;c=a*4=20;b=a+c=2", True, "exact"),
        ("a=5;c=a*4=20;b=a+c=3", False, "different"),
        ("a=5;c=a*4=20", False, "format"),  # ends with what was not asked
        ("b", False, "format"),
        ("2", False, "format"),
        ("b=2", True, "exact"),  # the outcome alone
    ],
)
def test_grade(response, correct, reason):
    verdict = TASK.grade(ASKED, response)
    assert (verdict.correct, verdict.reason) == (correct, reason)


def test_solutions_hold_what_is_needed_only():
    distractors = 0
    for index in range(200):
        problem = TASK.problem("test", index)
        definitions = problem.info["definitions"]
        assert 4 <= len(definitions) <= 8
        named = [step.split("=")[0] for step in problem.solution.split(";")]
        reachable, frontier = set(), [problem.info["query"]]
        while frontier:
            name = frontier.pop()
            reachable.add(name)
            frontier += [c for c in definitions[name] if c.isalpha()]
        assert len(named) == len(set(named)) and set(named) == reachable
        distractors += len(definitions) - len(named)
    assert distractors > 100


def test_names_and_order_do_not_change_the_problem():
    latent = ("5", "a*4", "7", "a+b")
    from random import Random

    one, two = (TASK.pose(latent, "test", Random(seed)) for seed in (1, 2))
    assert one["prompt"] != two["prompt"] and one["answer"] == two["answer"] == "2"


def test_noise_slips_in_training_only():
    task = Dag(noise=0.3)
    rows = [task.problem("train", i) for i in range(300)]
    assert sum(not all(task.step_labels(p, p.solution).valid) for p in rows) > 100


def test_a_fixed_example():
    problem = Dag().problem("test", 0)
    # t=12; l=12*10=120 -> 5; g=5-5=0, modulo 23.
    assert problem.prompt == "s=n-10;g=l-l;n=l*0;a=t*8;q=n*22;e=4;t=12;l=t*10;g?"
    assert problem.solution == "t=12;l=t*10=5;g=l-l=0"
