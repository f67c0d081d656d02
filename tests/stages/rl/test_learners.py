"""Models that learn beside the policy, in runs of a few steps."""

import math

import numpy as np
import pytest
from ml_collections import ConfigDict

from reasoning_jax.models import load_reward_model
from reasoning_jax.rl.advantages import value_targets
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.learners import bound_targets, explained
from reasoning_jax.stages.rl.step import Step
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.stages.run import run
from reasoning_jax.types import Completion, Verdict

ROOM = "reasoning_jax.rl"


def all_of_them(tiny, **keys):
    """PPO whose rewards come from a ranking model and an implicit one, with KL in the reward."""
    config = tiny(
        advantage=named(f"{ROOM}.advantages.ppo", lam=0.9),
        shapers=(
            f"{ROOM}.shapers.dense",
            f"{ROOM}.shapers.shaped_by_verdict",
            ConfigDict({"name": f"{ROOM}.shapers.token_kl", "coef": 0.01}),
        ),
        **{"updates": 2, "passes": 2, **keys},
    )
    for name in ("critic", "implicit", "ranking"):
        config.rl[name].optimizer.schedule.warmup_steps = 0
    return config


def test_a_critic_learns_beside_the_policy_and_is_kept(tiny, tmp_path, steps_of):
    config = tiny(
        advantage=named(f"{ROOM}.advantages.ppo", kl_coef=0.1), head_start=1, keep=("critic",)
    )
    config.rl.critic.optimizer.schedule.warmup_steps = 0
    config.rl.optimizer.schedule.warmup_steps = 0
    run(config, tmp_path)
    first, second = steps_of(tmp_path)
    # A new head says 0, so the first losses are what the targets are.
    assert first["rl/critic/value_mean"] == 0 != second["rl/critic/value_mean"]
    assert first["rl/critic/loss"] > 0 and second["rl/critic/grad_norm"] > 0
    # The policy had no part in the first step.
    assert second["rl/kl"] == pytest.approx(0, abs=1e-9)
    _, _, head = load_reward_model(tmp_path / "kept/rl.critic")
    assert head["kernel"].any() and head["bias"].any()


@pytest.mark.slow
def test_a_kept_model_is_where_another_begins(tiny, tmp_path, steps_of):
    config = tiny(advantage=named(f"{ROOM}.advantages.ppo"), keep=("critic",))
    config.rl.critic.optimizer.schedule.warmup_steps = 0
    run(config, tmp_path / "once")
    config.rl.critic.model = str(tmp_path / "once/kept/rl.critic")
    config.rl.critic.until = 0  # and it learns no more
    run(config, tmp_path / "again")
    first, _ = steps_of(tmp_path / "again")
    assert first["rl/advantage_abs_mean"] > 0 and "rl/critic/loss" not in first
    assert load_reward_model(tmp_path / "once/kept/rl.critic")[2]["bias"].any()
    assert (tmp_path / "once/kept/rl.critic/model.safetensors").read_bytes() == (
        tmp_path / "again/kept/rl.critic/model.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_each_learns_and_is_logged(tiny, tmp_path, steps_of):
    run(all_of_them(tiny, ranking__until=1), tmp_path)
    first, second = steps_of(tmp_path)
    for name in ("critic/loss", "critic/explained_variance", "implicit/loss", "implicit/accuracy"):
        assert math.isfinite(first[f"rl/{name}"]) and math.isfinite(second[f"rl/{name}"]), name
    assert "rl/ranking/accuracy" in first and "rl/ranking/accuracy" not in second
    # An implicit model that is the reference is undecided.
    assert first["rl/implicit/loss"] == pytest.approx(math.log(2), abs=1e-4)


@pytest.mark.slow
def test_a_judge_learns_labels_and_scores_steps(tiny, tmp_path, steps_of):
    config = tiny(
        advantage=named(f"{ROOM}.advantages.pure"),
        shapers=(f"{ROOM}.shapers.judged",),
        steps_of=named("reasoning_jax.rewards.steps.correct_steps"),
        steps=6,
        head_start=5,
    )
    config.rl.judge.optimizer.schedule.warmup_steps = 0
    run(config, tmp_path)
    lines = steps_of(tmp_path)
    assert lines[0]["rl/judge/loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert lines[-1]["rl/judge/loss"] < lines[0]["rl/judge/loss"] - 0.02
    # A judge of no opinion gives no credit; later its scores do.
    assert lines[-1]["rl/advantage_abs_mean"] > 0


@pytest.mark.slow
def test_micro_batches_change_nothing(tiny, tmp_path, steps_of):
    run(all_of_them(tiny, steps=3, updates=1), tmp_path / "whole")
    run(all_of_them(tiny, steps=3, updates=1, micro_batches=4), tmp_path / "cut")
    for ours, theirs in zip(steps_of(tmp_path / "cut"), steps_of(tmp_path / "whole"), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            # The first sign of an implicit model that still is the reference is one of rounding.
            if name not in ("stage", "rl/implicit/accuracy"):
                assert value == pytest.approx(theirs[name], rel=1e-4, abs=1e-5), name


@pytest.mark.slow
def test_a_broken_off_run_goes_on_bit_identically(tiny, tmp_path, steps_of, monkeypatch):
    config = all_of_them(tiny, steps=4, checkpoint_every=1)
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


@pytest.mark.slow
def test_adapters_have_critics_of_their_own(tiny, tmp_path, steps_of):
    config = tiny(advantage=named(f"{ROOM}.advantages.ppo"), steps=3)
    config.lora.rank = 2
    config.rl.critic.optimizer.schedule.warmup_steps = 0
    run(config, tmp_path)
    assert steps_of(tmp_path)[-1]["rl/critic/value_mean"] != 0


def test_targets_take_the_keywords_of_the_advantage(tiny):
    block = tiny(advantage=named(f"{ROOM}.advantages.ppo", lam=0.5, gamma=0.9)).rl
    values = np.array([[0.1, 0.2]], np.float32)
    completion = Completion("ab", (1, 2), (-1.0, -1.0), "stop")
    rollouts = collate([[5]], [[completion]], [[Verdict(True, "exact")]], [[1.0]])
    rollouts = rollouts.replace(values=np.pad(values, ((0, 0), (1, 13))))
    expected = value_targets(rollouts, lam=0.5, gamma=0.9)
    np.testing.assert_array_equal(bound_targets(block)(rollouts), expected)
    block.critic.targets.lam = 1.0
    expected = value_targets(rollouts, lam=1.0, gamma=0.9)
    np.testing.assert_array_equal(bound_targets(block)(rollouts), expected)


def test_explained_variance_by_hand():
    mask = np.array([[True, True, False], [True, False, False]])
    targets = np.array([[0.0, 1.0, np.nan], [2.0, 9, 9]])
    # variance 2/3; what is left of it 0, 1/4, 0 around their mean
    values = np.array([[0.0, 0.5, np.nan], [2.0, 9, 9]])
    left = np.var([0, 0.5, 0])
    found = explained(values, targets, mask)
    assert found["explained_variance"] == pytest.approx(1 - left / (2 / 3))
    assert found["value_mean"] == pytest.approx(2.5 / 3)
    assert explained(values, np.ones((2, 3)), mask)["explained_variance"] == 0


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"head_start": 3}, ["head_start is 3", "leave it 0"]),
        ({"keep": ("critic",)}, ["keep names 'critic'", "nothing"]),
        (
            {
                "advantage": named(f"{ROOM}.advantages.ppo"),
                "critic__loss": named(f"{ROOM}.policy_losses.gspo", low=-1, cap=2),
            },
            ["critic.loss", "takes no 'cap'"],
        ),
        (
            {
                "advantage": named(f"{ROOM}.advantages.ppo"),
                "critic__aggregate": named(f"{ROOM}.k1"),
            },
            ["critic cannot be used here"],
        ),
    ],
)
def test_bad_values_are_named(tiny, tmp_path, keys, parts):
    with pytest.raises(ValueError, match=r"config\.rl") as error:
        run(tiny(**keys), tmp_path / "run")
    for part in parts:
        assert part in str(error.value)
    assert not (tmp_path / "run").exists()
