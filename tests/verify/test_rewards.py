"""The outcome reward."""

import pytest

from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify.rewards import outcome

PROBLEM = Problem(id="sums/train/0", task="sums", prompt="1+1=", answer="2")


@pytest.mark.parametrize(
    "correct, finish_reason, reward",
    [
        (True, "stop", 1.0),
        (True, "length", 0.0),
        (False, "stop", 0.0),
        (False, "length", 0.0),
        (None, "stop", None),
        (None, "length", None),
    ],
)
def test_right_and_ended_by_itself(correct, finish_reason, reward):
    completion = Completion("2", (4, 1), (-0.1, -0.2), finish_reason)
    given = outcome(PROBLEM, completion, Verdict(correct, "exact"))
    assert given == reward and type(given) is type(reward)
