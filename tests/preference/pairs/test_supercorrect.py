import dataclasses

import numpy as np
import pytest

from reasoning_jax.preference import response_logprobs
from reasoning_jax.preference.pairs import Pair, correction_pair, parse_template


def test_template_of_the_worked_case(cases):
    worked = cases("supercorrect")
    assert dataclasses.asdict(parse_template(worked["template_text"])) == {
        **worked["parsed"],
        "steps": tuple(worked["parsed"]["steps"]),
    }


@pytest.mark.parametrize(
    "text, numbers",
    [("no steps", r"\[\]"), ("<Step2>b</Step2>", r"\[2\]"), ("<Step1>a</Step2>", r"\[\]")],
)
def test_solutions_out_of_template(text, numbers):
    with pytest.raises(ValueError, match=f"this one has {numbers}"):
        parse_template(text)


def test_a_bare_solution_has_no_recipe_and_no_answer():
    solution = parse_template("<Step1>\na\n</Step1>")
    assert (solution.generalized, solution.answer, solution.steps[0].key) == (None, None, None)


def test_traces_share_the_wrong_step_and_are_trained_whole():
    pair = correction_pair("Q", "1+1=3.", (" It is 2.", " 1+1=2."), (" Fine.", " 1+1=3."), "x")
    assert pair == Pair("Q", " It is 2. 1+1=2.", " Fine. 1+1=3.", "1+1=3.", False, "x")


def test_trace_log_probabilities_of_the_worked_case(cases):
    """Analysis and corrected step are one response, summed together."""
    worked = cases("supercorrect")["cross_dpo"]
    for who, policies in worked["token_logps"].items():
        for policy, parts in policies.items():
            logprobs = np.array(parts["a"] + parts["c"], np.float32)
            total = response_logprobs(logprobs, np.ones(len(logprobs), bool))
            assert float(total) == pytest.approx(worked["summed"][who][policy], abs=1e-6)
