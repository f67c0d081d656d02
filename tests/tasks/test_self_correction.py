import random

import pytest

from reasoning_jax.curation import Segment, keep_trajectory, loss_mask
from reasoning_jax.tasks import load_task
from reasoning_jax.tasks.self_correction import SelfCorrection
from reasoning_jax.text import CharTokenizer
from reasoning_jax.tools import Syntax, encode_worked
from reasoning_jax.types import Problem

SYNTAX = Syntax("{", "}", "", ";", "?")
TASK = SelfCorrection(noise=0.6)
PROBLEM = Problem("x", "self_correction", "12+3*4=", "60", info={})


def test_solutions_end_rightly_after_stages_that_were_seen_to_be_wrong():
    lengths = set()
    for index in range(200):
        problem = TASK.problem("train", index)
        labels = TASK.step_labels(problem, problem.solution)
        assert all(labels.valid) and labels.correct[-1]
        # A misread program may still give the answer, as 0 * 7 and 0 * 8 do.
        assert TASK.grade(problem, problem.solution).correct
        assert TASK.grade(problem, problem.solution).path == "verified"
        assert set(problem.prompt + problem.solution) <= set(TASK.alphabet)
        lengths.add(len(labels.steps))
    assert lengths == {1, 2, 3}
    clean = [TASK.problem("test", index) for index in range(20)]
    assert all(len(TASK.step_labels(p, p.solution).steps) == 1 for p in clean)


def test_a_worked_solution_by_hand():
    task = SelfCorrection(noise=1.0, stages=2)
    posed = task.pose(([12, 3, 4], ["+", "*"]), "train", random.Random(1))
    first, second = posed["solution"].split("{")[1:]
    assert second == "((12+3)*4)}60;12+3*4!=60"
    assert first.endswith("~") and not first.startswith("((12+3)*4)")


@pytest.mark.parametrize(
    "response, rounds, verdict",
    [
        ("{((12+3)*4)}12+3*4!=60", 3, (True, "exact", "60", "verified")),
        ("{((18+3)*4)}1~{((12+3)*4)}12+3*4!=60", 3, (True, "exact", "60", "verified")),
        ("{((18+3)*4)}1~{((12+3)*4)}12+3*4!=60", 1, (False, "different", "84", "budget")),
        ("{((18+3)*4)}12+3*4!=84", 3, (False, "different", "84", "verified")),
        ("{((12+3)*4)}12+3~{((12+3)*4)}", 3, (True, "exact", "60", "budget")),
        ("{12+}12!", 3, (False, "format", None, "verified")),
        ("=60", 3, (False, "no_answer", None, None)),
    ],
)
def test_grades(response, rounds, verdict):
    found = SelfCorrection(rounds=rounds).grade(PROBLEM, response)
    assert (found.correct, found.reason, found.extracted, found.path) == verdict


def test_what_is_trained_is_what_the_loss_mask_of_cosc_trains():
    tokenizer = CharTokenizer(TASK.alphabet)
    question, program, output = "12+3*4=", "{((18+3)*4)}", "84;"
    rest, final = "1~", ("{((12+3)*4)}", "60;", "12+3*4!=60")
    solution = program + output + rest + "".join(final)
    ids, trained = encode_worked(tokenizer, SYNTAX, question, solution, 12)
    kinds = ("question", "program", "output", "conclusion", "program", "output", "conclusion")
    texts = (question, program, output, rest, *final)
    start = len(tokenizer.encode_prompt(question)) - len(question)
    lengths = [len(text) for text in texts]
    assert tuple(trained) == (False,) * start + loss_mask(kinds, lengths) + (True,)
    assert len(ids) == len(trained)


def test_the_keep_rule_is_verified_and_right():
    for mark, path in (("!", "verified"), ("~", "budget")):
        verdict = TASK.grade(PROBLEM, f"{{((12+3)*4)}}12+3*4{mark}")
        conclusion = "correct" if mark == "!" else "wrong"
        segments = [Segment("output", "60"), Segment("conclusion", conclusion)]
        kept = verdict.correct and verdict.path == "verified"
        assert verdict.path == path and keep_trajectory(segments, "60") is kept


def test_bad_knobs_are_refused():
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        SelfCorrection(rounds=0)
    with pytest.raises(ValueError, match="stages must be at least 1"):
        load_task("reasoning_jax.tasks.self_correction:SelfCorrection", stages=0)
