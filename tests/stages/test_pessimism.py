"""A scripted verifier chooses among solutions of a noisy teacher."""

import types

import pytest

from reasoning_jax.rewards.verdicts import MARK, RIGHT, WRONG, Verdicts
from reasoning_jax.stages import pessimism
from reasoning_jax.types import Completion

TASK = Verdicts("modchain", {"length": 3})


class Verifier:
    """Says of each solution what ``says(right, number of the verdict)`` is; None is nothing."""

    def __init__(self, truth, says):
        self._truth, self._says = truth, says

    def stream(self, prompts, sampling):
        for place, prompt in reversed(list(enumerate(prompts))):
            verdicts = [self._says(self._truth[prompt], m) for m in range(sampling.n)]
            texts = ["?" if v is None else MARK + (RIGHT if v else WRONG) for v in verdicts]
            yield place, [Completion(text, (), (), "stop") for text in texts]


@pytest.fixture
def measure():
    """measure(says) -> the stage's metrics."""

    def run(says):
        block = pessimism.default_config()
        block.problems, block.solutions, block.n = 40, 4, 4
        block.solver.noise = 0.6
        posed = [TASK.solutions("test", i, 4, TASK.solver({"noise": 0.6})) for i in range(40)]
        truth = {one.prompt: one.answer == RIGHT for _, row in posed for one in row}
        logged = {}
        context = types.SimpleNamespace(
            task=TASK,
            config=types.SimpleNamespace(seed=0),
            sampler=lambda params: Verifier(truth, says),
            log=types.SimpleNamespace(log=lambda name, step, metrics: logged.update(metrics)),
        )
        done = []
        stage = types.SimpleNamespace(
            name="choose", context=context, config=block, finish=lambda *given: done.append(given)
        )
        assert pessimism.run(stage, {"p": 1}) == {"p": 1} and done == [(0, {"p": 1})]
        return logged

    return run


def test_a_verifier_that_knows_finds_all(measure):
    found = measure(lambda right, number: right)
    assert found["eval/pass@1"] == found["eval/flaws_found"] == found["eval/flags_right"] == 1
    assert 0.1 < found["eval/solver_pass@1"] < 0.6
    assert found["eval/flaws"] == pytest.approx(1 - found["eval/solver_pass@1"])
    # A problem with one right solution is chosen rightly, however small the penalty.
    assert found["eval/pessimistic_0@4x4"] > found["eval/solver_maj@4"]
    assert found["eval/pessimistic_0@4x1"] == found["eval/pessimistic_0@4x4"]


def test_a_verifier_that_believes_everything_is_a_vote(measure):
    found = measure(lambda right, number: True)
    assert found["eval/pass@1"] == found["eval/solver_pass@1"]
    assert found["eval/flagged"] == found["eval/flaws_found"] == 0
    assert "eval/flags_right" not in found
    assert found["eval/pessimistic_0.1@4x4"] == found["eval/solver_maj@4"]


def test_what_cannot_be_read_speaks_for_nothing(measure):
    found = measure(lambda right, number: None if number else right)
    assert found["eval/unread"] == 0.75
    # One verdict of four for what is right: it is chosen, but the mean is below one half.
    assert found["eval/pessimistic_0@4x4"] == found["eval/pessimistic_0@4x1"]
    assert found["eval/flagged"] == 1
