"""Functions ask for fields, and the stage knows who fills them."""

import numpy as np
import pytest

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.collect import host_fields, with_greedy
from reasoning_jax.stages.rl.config import default_config
from reasoning_jax.stages.rl.fields import asked_fields
from reasoning_jax.stages.rl.functions import build_functions
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.types import Completion, ToolCall, Verdict

ROOM = "reasoning_jax.rl"


def asked(**keys):
    block = default_config()
    with block.unlocked():
        block.update(keys)
    return asked_fields(build_functions(block), block)


@pytest.mark.parametrize(
    ("keys", "fields"),
    [
        ({}, ()),
        ({"updates": 2}, ("old_logprobs",)),
        ({"passes": 2}, ("old_logprobs",)),
        ({"kl_coef": 0.1}, ("ref_logprobs",)),
        (
            {"kl_controller": named(f"{ROOM}.controllers.proportional", target=1.0)},
            ("ref_logprobs",),
        ),
        ({"advantage": named(f"{ROOM}.advantages.remax")}, ("greedy_rewards",)),
        ({"advantage": named(f"{ROOM}.advantages.t1")}, ("ref_logprobs",)),
        (
            {"advantage": named(f"{ROOM}.advantages.reinforce_plus_plus", kl_coef=0.1)},
            ("ref_logprobs",),
        ),
        ({"shapers": (f"{ROOM}.shapers.otc",)}, ("tool_calls",)),
        ({"shapers": (f"{ROOM}.shapers.otc_running",)}, ("fewest_calls", "tool_calls")),
        (
            {
                "shapers": (f"{ROOM}.shapers.cluster_share",),
                "filters": (f"{ROOM}.cluster_entropy_band",),
            },
            ("clusters", "extracted"),
        ),
        (
            {
                "shapers": (f"{ROOM}.shapers.graded", f"{ROOM}.shapers.token_kl"),
                "advantage": named(f"{ROOM}.advantages.reinforce_plus_plus"),
            },
            ("extracted", "ref_logprobs"),
        ),
    ],
)
def test_what_functions_ask_for(keys, fields):
    assert asked(**keys) == fields


def test_a_judge_brings_the_steps_and_their_labels():
    steps_of = named("reasoning_jax.rewards.steps.correct_steps")
    fields = asked(shapers=(f"{ROOM}.shapers.judged",), steps_of=steps_of)
    assert set(fields) == {"step_scores", "step_labels", "step_ends", "step_mask", "step_rewards"}
    with pytest.raises(ValueError, match=r"shapers: rollouts\.step_scores .* set steps_of\.name"):
        asked(shapers=(f"{ROOM}.shapers.judged",))


def test_a_shaper_must_give_rollouts():
    with pytest.raises(ValueError, match=r"shapers: judged gives .* not Rollouts"):
        asked(shapers=(f"{ROOM}.filters.judged",))


def out(text, calls=0):
    return Completion(text, (1,), (-1.0,), "stop", calls=(ToolCall("1", "1"),) * calls)


def test_host_fields_by_hand():
    completions = [[out("a"), out("b", 2), out("c")], [out("d"), out("e"), out("f")]]
    verdicts = [
        [Verdict(True, "x", "4"), Verdict(False, "x", "7"), Verdict(True, "x", "4")],
        [Verdict(False, "none"), Verdict(False, "none"), Verdict(True, "x", "9")],
    ]
    fields = host_fields(completions, verdicts)
    assert fields["tool_calls"].tolist() == [0, 2, 0, 0, 0, 0]
    assert fields["extracted"].tolist() == [True, True, True, False, False, True]
    # Answers that cannot be read are alone.
    assert fields["clusters"].tolist() == [0, 1, 0, 0, 1, 2]


def test_a_greedy_answer_without_reward_leaves_its_group_out():
    completions = [[out("a"), out("b")], [out("c"), out("d")]]
    verdicts = [[Verdict(True, "x")] * 2] * 2
    rollouts = collate([[5], [6]], completions, verdicts, [[1.0, 0.0], [1.0, 1.0]])
    rollouts = with_greedy(rollouts, [0.5, None])
    np.testing.assert_allclose(rollouts.greedy_rewards[:2], 0.5)
    assert rollouts.row_mask.tolist() == [True, True, False, False]
    assert np.isfinite(rollouts.greedy_rewards).all()
