"""Rewards and groups that nothing can be learnt from, refused or said aloud."""

import sys

import pytest

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.checks import teaches_alone
from reasoning_jax.stages.rl.config import default_config
from reasoning_jax.stages.rl.fields import asked_fields
from reasoning_jax.stages.rl.functions import build_functions
from reasoning_jax.stages.run import run

ROOM = "reasoning_jax.rl"


@pytest.mark.parametrize(
    ("advantage", "alone"),
    [
        (named(f"{ROOM}.advantages.grpo"), False),
        (named(f"{ROOM}.advantages.rloo"), False),
        (named(f"{ROOM}.advantages.prime"), False),
        (named(f"{ROOM}.advantages.pass_at_k", k=2), False),
        (named(f"{ROOM}.advantages.ppo"), True),
        (named(f"{ROOM}.advantages.remax"), True),
        (named(f"{ROOM}.advantages.reinforce_plus_plus"), True),
        (named(f"{ROOM}.advantages.w_reinforce"), True),
    ],
)
def test_which_advantages_take_one_sample_a_prompt(advantage, alone):
    block = default_config()
    block.advantage = advantage
    functions = build_functions(block)
    assert teaches_alone(functions, asked_fields(functions, block)) is alone


def test_a_group_of_one_is_refused_where_samples_are_compared(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"group_size 1: this advantage compares"):
        run(tiny(group_size=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"group_size 0: it must be at least 1"):
        run(tiny(group_size=0), tmp_path / "run")


@pytest.mark.parametrize("value", ["high", [1.0, 0.0], (1.0,)])
def test_a_reward_that_is_no_number_stops_the_run(tiny, tmp_path, value):
    module = sys.modules[__name__]
    module.some_reward = lambda problem, completion, verdict: value
    with pytest.raises(
        ValueError, match=r"reward 'some_reward' of completion .*; a function gives one"
    ):
        run(tiny(reward=named(f"{__name__}.some_reward")), tmp_path)


def test_a_step_without_rows_says_so(tiny, tmp_path, capsys, steps_of):
    module = sys.modules[__name__]
    module.nothing = lambda rollouts: rollouts.row_mask & False
    run(tiny(filters=(f"{__name__}.nothing",), steps=1, evaluate_every=1), tmp_path)
    (line,) = steps_of(tmp_path)
    assert line["rl/kept"] == line["rl/loss"] == line["rl/grad_norm"] == 0
    assert "no completion is left to learn from at step 1" in capsys.readouterr().out
