"""Reward functions and their weighted sums."""

import pytest
from ml_collections import ConfigDict

from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify import rewards

HERE = "reasoning_jax.verify.rewards"
PROBLEM = Problem(id="sums/train/0", task="sums", prompt="1+1=", answer="2", info={"level": 3})
OPENED = Problem(id="sums/train/1", task="sums", prompt="1+1=\n<think>\n", answer="2")
RIGHT, WRONG, UNKNOWN = (Verdict(correct, "exact") for correct in (True, False, None))


def completion(text: str = "2", finish_reason: str = "stop") -> Completion:
    return Completion(text, (4, 1), (-0.1, -0.2), finish_reason)


@pytest.mark.parametrize(
    "correct, finish_reason, reward, signed, right",
    [
        (True, "stop", 1.0, 1.0, 1.0),
        (True, "length", 0.0, -1.0, 1.0),
        (False, "stop", 0.0, -1.0, 0.0),
        (False, "length", 0.0, -1.0, 0.0),
        (None, "stop", None, None, None),
        (None, "length", None, None, None),
    ],
)
def test_right_and_ended_by_itself(correct, finish_reason, reward, signed, right):
    given = PROBLEM, completion("2", finish_reason), Verdict(correct, "exact")
    for function, expected in (
        (rewards.outcome, reward),
        (rewards.signed_outcome, signed),
        (rewards.right, right),
    ):
        value = function(*given)
        assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    "text, whole, share",
    [
        ("<think>1 and 1</think> <answer>2</answer>", 1.0, 1.0),
        ("  <think>\n1\n</think>\n\n<answer>\n2\n</answer>\n", 1.0, 1.0),
        ("so <think>1</think> <answer>2</answer>", 0.0, 1.0),
        ("<think>1</think> so <answer>2</answer>", 0.0, 1.0),
        ("<think>1</think> <answer>2</answer> done", 0.0, 1.0),
        ("<think>1</think> <answer> </answer>", 0.0, 1.0),
        ("<think> </think> <answer>2</answer>", 0.0, 1.0),
        ("<answer>2</answer> <think>1</think>", 0.0, 1.0),
        ("<think>1</think><think>1</think> <answer>2</answer>", 0.0, 0.5),
        ("<think>1</think> 2", 0.0, 0.5),
        ("", 0.0, 0.0),
    ],
)
def test_thought_and_answer_in_their_tags(text, whole, share):
    assert rewards.think_answer(PROBLEM, completion(text), WRONG) == whole
    assert rewards.tags(PROBLEM, completion(text), WRONG) == share


def test_a_prompt_may_have_opened_the_thought():
    text = "1 and 1</think> <answer>2</answer>"
    assert rewards.think_answer(OPENED, completion(text), RIGHT) == 1.0
    assert rewards.think_answer(OPENED, completion("<think>" + text), RIGHT) == 0.0
    assert rewards.boxed_after_think(OPENED, completion(r"so \boxed{2}"), RIGHT) == 0.0


@pytest.mark.parametrize(
    "text, value",
    [
        (r"so \boxed{2}", 1.0),
        (r"<think>1</think> \boxed{2}", 1.0),
        (r"<think>\boxed{2}</think> 2", 0.0),
        (r"<think> so \boxed{2}", 0.0),
        (r"\boxed{}", 0.0),
        (r"\boxed{2", 0.0),
    ],
)
def test_boxed_after_the_thought(text, value):
    assert rewards.boxed_after_think(PROBLEM, completion(text), WRONG) == value


def test_answered_is_what_the_grader_found():
    assert rewards.answered(PROBLEM, completion(), Verdict(False, "different", "3")) == 1.0
    assert rewards.answered(PROBLEM, completion(), Verdict(False, "no_answer")) == 0.0


@pytest.mark.parametrize(
    "text, script, share",
    [
        ("so it is two", "LATIN", 1.0),
        ("ab 我们", "LATIN", 0.5),
        ("ab 我们", "cjk", 0.5),
        (r"我们 $x + \sin y$ \alpha", "CJK", 1.0),
        ("привет ab", "CYRILLIC", 0.75),
        ("1 + 1", "CJK", 1.0),
        ("", "LATIN", 1.0),
    ],
)
def test_share_of_a_script(text, script, share):
    assert rewards.script_share(PROBLEM, completion(text), WRONG, script=script) == share


def level(problem: Problem, completion: Completion, verdict: Verdict, *, scale: float) -> float:
    return scale * problem.info["level"]


def weighted_spec(**changes) -> dict:
    terms = {
        "right": {"name": f"{HERE}.outcome", "weight": 2},
        "form": {"name": f"{HERE}.tags", "weight": 0.5},
        "level": {"name": f"{__name__}.level", "scale": 10.0, "weight": -0.01},
    }
    return {"name": f"{HERE}.weighted", "terms": terms | changes}


@pytest.mark.parametrize("wrap", [dict, ConfigDict])
def test_a_weighted_sum_and_its_parts(wrap):
    spec = wrap(weighted_spec())
    reward = rewards.reward_of(spec)
    given = PROBLEM, completion("<think>1</think> 2"), RIGHT
    parts = {"right": 1.0, "form": 0.5, "level": 30.0}
    assert reward.parts(*given) == parts
    # 2 * 1 + 0.5 * 0.5 - 0.01 * 30
    assert reward(*given) == reward.total(parts) == pytest.approx(1.95)
    assert rewards.weighted(*given, terms=spec["terms"]) == reward(*given)


def test_none_of_any_term_is_none_and_leaves_its_mean():
    reward = rewards.reward_of(weighted_spec())
    parts = [reward.parts(PROBLEM, completion(""), verdict) for verdict in (RIGHT, WRONG, UNKNOWN)]
    assert [reward.total(part) for part in parts] == [pytest.approx(1.7), pytest.approx(-0.3), None]
    assert rewards.mean_parts(parts) == {"right": 0.5, "form": 0.0, "level": 30.0}
    assert rewards.mean_parts([]) == {}


def test_one_function_is_a_sum_of_one():
    reward = rewards.reward_of({"name": f"{HERE}.script_share", "script": "CJK"})
    assert reward.parts(PROBLEM, completion("我a"), WRONG) == {"script_share": 0.5}
    assert reward(PROBLEM, completion("我a"), WRONG) == 0.5


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"name": f"{HERE}.outcom"}, r"reward\.name: no function '.*outcom'"),
        ({"name": f"{HERE}.outcome", "scale": 2}, "takes no 'scale'"),
        ({"name": f"{HERE}.weighted"}, "needs terms"),
        ({"name": f"{HERE}.weighted", "terms": {}}, r"reward\.terms is empty"),
        ({"name": f"{HERE}.weighted", "terms": 3}, r"reward\.terms is 3; give name:"),
        ({"name": "math.sqrt"}, r"not callable as \(problem, completion, verdict\)"),
        (weighted_spec(form=f"{HERE}.tags"), r"reward\.terms\.form is 'reason.*'; give"),
        (weighted_spec(form={"weight": 1}), r"reward\.terms\.form is \{'weight': 1\}; give"),
        (
            weighted_spec(form={"name": f"{HERE}.tags", "weight": "high"}),
            r"form\.weight is 'high'; a weight is a finite number",
        ),
        (weighted_spec(form={"name": f"{HERE}.tags", "weight": True}), "weight is True"),
        (weighted_spec(form={"name": f"{HERE}.tags", "weight": float("nan")}), "weight is nan"),
        (weighted_spec(form={"name": f"{HERE}.nothing"}), r"terms\.form\.name: no function"),
        (weighted_spec(level={"name": f"{__name__}.level"}), r"terms\.level: .* needs scale"),
    ],
)
def test_what_is_wrong_with_a_block_is_named(spec, message):
    with pytest.raises(ValueError, match=message):
        rewards.reward_of(spec)


@pytest.mark.parametrize("text", ["$" * 99_999, r"\[" * 50_000, "<think>" * 50_000, r"\a" * 50_000])
def test_long_texts_take_one_pass(text):
    for function in (rewards.script_share, rewards.think_answer, rewards.boxed_after_think):
        assert 0 <= function(PROBLEM, completion(text), WRONG) <= 1
