"""Runs of a few steps: what they log, and that they go on exactly."""

import math

import pytest
from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.step import Step
from reasoning_jax.stages.run import run

ROOM = "reasoning_jax.rl"


def many_parts(tiny):
    """A greedy baseline, two passes over two updates, selected tokens, a moving reference."""
    return tiny(
        steps=4,
        checkpoint_every=1,
        advantage=named(f"{ROOM}.advantages.remax"),
        policy_loss=named(f"{ROOM}.policy_losses.kl_cov"),
        selection=named(f"{ROOM}.policy_losses.highest_covariances", share=0.1),
        correction=named(f"{ROOM}.truncated_importance", cap=2.0),
        shapers=(
            ConfigDict({"name": f"{ROOM}.shapers.soft_overlong", "max_length": 6, "cache": 4}),
        ),
        kl_coef=0.1,
        kl_controller=named(f"{ROOM}.controllers.proportional", target=1e-4, horizon=10),
        entropy_controller=named(f"{ROOM}.controllers.towards_target", target=9.0, step=0.01),
        reference=ConfigDict({"every": 1, "keep": 0.5}),
        updates=2,
        passes=2,
    )


def test_the_parts_of_a_step_are_logged(tiny, tmp_path, steps_of):
    run(many_parts(tiny), tmp_path)
    lines = steps_of(tmp_path)
    assert len(lines) == 4
    for line in lines:
        assert 0 <= line["rl/greedy_reward"] <= 1
        assert 0 < line["rl/selected"] <= 0.11
        assert -1 <= line["rl/shaped_reward"] <= line["rl/reward"]
        assert math.isfinite(line["rl/loss"]) and line["rl/kl"] >= 0
    assert [line["rl/entropy_coef"] for line in lines] == pytest.approx([0, 0.01, 0.02, 0.03])
    assert lines[1]["rl/kl_coef"] != lines[0]["rl/kl_coef"] == 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("every", "zero"), [(0, [1]), (1, [1, 2, 3, 4]), (2, [1, 3])])
def test_a_reset_reference_is_the_policy_again(tiny, tmp_path, steps_of, every, zero):
    reference = ConfigDict({"every": every, "keep": 0.0})
    config = tiny(steps=4, kl_coef=0.1, entropy_coef=1.0, reference=reference)
    config.rl.optimizer.schedule.warmup_steps = 0  # the first update moves the policy
    run(config, tmp_path)
    divergences = {line["step"]: line["rl/kl"] for line in steps_of(tmp_path)}
    assert [step for step, kl in divergences.items() if kl < 1e-10] == zero


@pytest.mark.slow
def test_a_broken_off_run_goes_on_bit_identically(tiny, tmp_path, steps_of, monkeypatch):
    config = many_parts(tiny)
    run(config, tmp_path / "whole")
    original = Step.__call__

    def break_off(self, state, indices, step, age):
        if step == 2:
            raise KeyboardInterrupt
        return original(self, state, indices, step, age)

    monkeypatch.setattr(Step, "__call__", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken")
    monkeypatch.undo()
    run(config, tmp_path / "broken")
    assert steps_of(tmp_path / "broken") == steps_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        (
            {"policy_loss": named(f"{ROOM}.policy_losses.clip_cov")},
            ["selection.name", "covariances_in_band"],
        ),
        (
            {"selection": named(f"{ROOM}.policy_losses.highest_covariances")},
            ["takes no selected tokens"],
        ),
        ({"passes": 0}, ["passes is 0"]),
        ({"reference": ConfigDict({"every": 3, "keep": 1.0})}, ["reference.keep 1.0"]),
        (
            {"entropy_controller": named(f"{ROOM}.controllers.towards_target", target=1, step=-1)},
            ["entropy_controller", "step -1"],
        ),
        (
            {"advantage": named(f"{ROOM}.advantages.process_grpo")},
            ["rollouts.step_rewards is None", "process_grpo", "steps_of.name"],
        ),
    ],
)
def test_bad_values_are_named(tiny, tmp_path, keys, parts):
    with pytest.raises(ValueError, match=r"config\.rl") as error:
        run(tiny(**keys), tmp_path / "run")
    for part in parts:
        assert part in str(error.value)
    assert not (tmp_path / "run").exists()
