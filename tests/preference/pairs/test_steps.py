import doctest

import pytest

from reasoning_jax.preference import pairs
from reasoning_jax.preference.pairs import Pair, judgement, steps


@pytest.mark.parametrize("module", [steps, judgement])
def test_examples_of_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


def test_judgements_of_the_worked_case(cases):
    worked = cases("step_dpo")["pipeline"]
    found = [pairs.first_wrong_step(text) for text in worked["judge_outputs"]]
    assert found == worked["first_bad_step"]


@pytest.mark.parametrize(
    "judgement, step",
    [
        ("Step 2: incorrect", None),  # no decision
        ("Final Decision: Step 1 is fine. Incorrect! Final decision:\nStep 4: Neutral", 4),
        ("Final Decision: incorrect", None),  # of no step
        ("", None),
    ],
)
def test_odd_judgements(judgement, step):
    assert pairs.first_wrong_step(judgement) == step


def test_pairs_of_the_worked_case(cases):
    worked = cases("step_dpo")["pipeline"]
    number = worked["step_used"]
    prefix, rejected = pairs.cut_at_numbered_step(worked["completion"], number)
    assert (prefix, rejected) == (worked["prefix_after_cut"], worked["rejected_step"])
    corrections = [
        pairs.first_numbered_step(sample["text"], number)
        for sample in worked["rectification_samples"]
        if sample["answer_correct"]
    ]
    made = pairs.step_pairs("Q", prefix, rejected, corrections, source="x")
    assert [pair.chosen for pair in made] == worked["chosen_steps_deduplicated"]
    assert len(made) == worked["n_pairs"]
    assert made[0] == Pair("Q", " 20-1=19.", rejected, prefix, complete=False, source="x")


def test_steps_by_separator():
    assert pairs.cut_at_step("a\n\nb\nc", 1) == ("a\n\n", "b")
    assert pairs.cut_at_step("2,7,8", 2, ",") == ("2,7,", "8")
    assert pairs.first_step("7,8", ",") == "7"
    assert pairs.first_step("", ",") == ""


def test_steps_that_are_not_there():
    with pytest.raises(ValueError, match="step 3 of a response of 3 steps: '2,7,8'"):
        pairs.cut_at_step("2,7,8", 3, ",")
    with pytest.raises(ValueError, match="no Step 2: in the response 'Step 1: a'"):
        pairs.cut_at_numbered_step("Step 1: a", 2)


def test_no_pair_prefers_a_step_to_itself_or_to_nothing():
    assert pairs.step_pairs("Q", "", "7", ["7", "", " "]) == ()


def test_whole_responses_pair_once_each():
    responses = [
        ("", False),
        ("a", True),
        ("b", False),
        ("a", True),
        ("c", None),
        ("d", True),
        ("e", True),
    ]
    assert pairs.outcome_pairs("Q", responses, most=4) == (Pair("Q", "a", "b"),)
    responses += [("f", False), ("g", False)]
    made = pairs.outcome_pairs("Q", responses, most=2, source="x")
    assert made == (Pair("Q", "a", "b", source="x"), Pair("Q", "d", "f", source="x"))
