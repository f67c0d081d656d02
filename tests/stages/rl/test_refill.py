"""Dynamic sampling: what is kept, what stays empty, when it gives up."""

import pytest

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.memory import Memory
from reasoning_jax.stages.rl.refill import refilled
from reasoning_jax.stages.rl.sampled import Sampled
from reasoning_jax.stages.rl.step import Step
from reasoning_jax.stages.run import run

ROOM = "reasoning_jax.rl"


def batch(*rewards):
    """Groups of two samples with these rewards."""
    names = [f"p{sum(row):g}" for row in rewards]
    return Sampled(names, *([[x] for x in names] for _ in range(4)), [*map(list, rewards)], names)


def differ(sampled):
    return [a != b for a, b in sampled.rewards for _ in range(2)]


def test_kept_groups_of_later_batches_take_the_places_in_order():
    later = iter([batch((1, 1), (0, 3)), batch((0, 4), (0, 5))])
    turns = []

    def more(turn):
        turns.append(turn)
        return next(later)

    every, chosen, surplus, metrics = refilled(batch((1, 0), (0, 0)), more, differ, most=10, step=0)
    # One group of the first batch, one of the second: enough before the third.
    assert turns == [1] and chosen.rewards == [[1, 0], [0, 3]] and chosen.problems == ["p1", "p3"]
    assert len(every.problems) == 4 and surplus == []
    assert metrics == {"refill/batches": 2, "refill/kept": 0.5, "refill/empty": 0}


def test_kept_groups_without_room_are_named():
    _, chosen, surplus, _ = refilled(
        batch((1, 0), (0, 0)), lambda turn: batch((0, 3), (0, 4)), differ, most=10, step=0
    )
    assert chosen.rewards == [[1, 0], [0, 3]] and surplus == [3]


def test_places_stay_empty_after_the_last_batch(capsys):
    _, chosen, surplus, metrics = refilled(
        batch((1, 0), (0, 0), (1, 1)), lambda turn: batch((1, 1), (0, 0), (1, 1)), differ,
        most=2, step=4,
    )  # fmt: skip
    assert chosen.rewards == [[1, 0], [None, None], [None, None]]
    assert metrics["refill/batches"] == 2 and metrics["refill/empty"] == pytest.approx(2 / 3)
    assert surplus == []
    assert "keeps only 1 of 6 groups at step 5; 2 of 3 places" in capsys.readouterr().out


def test_nothing_kept_ends_with_a_message():
    with pytest.raises(RuntimeError, match=r"step 3: refill.keep keeps none of 9 groups in 3"):
        refilled(batch((1, 1)) + batch((0, 0)) + batch((0, 0)),
                 lambda turn: batch((1, 1), (0, 0), (1, 1)), differ, most=3, step=2)  # fmt: skip


def test_runs_refill_and_label_steps(tiny, tmp_path, steps_of):
    config = tiny(
        advantage=named(f"{ROOM}.advantages.pure"),
        steps_of=named("reasoning_jax.rewards.steps.correct_steps"),
        reward=named("reasoning_jax.verify.rewards.right"),
        refill__keep=named(f"{ROOM}.accuracy_band", low=0.4, high=0.6),
        refill__most=3,
    )
    run(config, tmp_path)
    for line in steps_of(tmp_path):
        assert 1 <= line["rl/refill/batches"] <= 3
        # What is learnt from is kept, what was sampled is counted.
        assert line["rl/reward"] == pytest.approx(0.5)
        assert line["rl/verdict/coin"] == 32 * line["rl/refill/batches"]
        assert line["rl/advantage_abs_mean"] > 0


@pytest.mark.slow
def test_problems_without_room_wait_also_in_the_checkpoint(tiny, tmp_path, steps_of, monkeypatch):
    """Of half of the groups none teaches, so that two batches leave some without room."""
    config = tiny(
        refill__keep=named(f"{ROOM}.nonzero_variance"),
        refill__waiting=8,
        steps=6,
        checkpoint_every=1,
    )
    config.rl.group_size = 2
    memories, original = [], Memory.state

    def state(self):
        memories.append(original(self))
        return memories[-1]

    monkeypatch.setattr(Memory, "state", state)
    run(config, tmp_path / "whole")
    assert any(memory["waiting"] for memory in memories)
    assert all(len(memory["waiting"]) <= 8 for memory in memories)
    step = Step.__call__

    def break_off(self, state, indices, number, age):
        if number == 4:
            raise KeyboardInterrupt
        return step(self, state, indices, number, age)

    monkeypatch.setattr(Step, "__call__", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken")
    monkeypatch.setattr(Step, "__call__", step)
    run(config, tmp_path / "broken")
    assert steps_of(tmp_path / "broken") == steps_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"refill__most": 0}, ["refill.most is 0"]),
        ({"refill__waiting": -1}, ["refill.waiting -1"]),
        ({"problems": -1}, ["problems -1"]),
        ({"problems": 4}, ["exceeds the 4 problems"]),
        ({"refill__keep": named(f"{ROOM}.k3")}, ["refill.keep cannot be used"]),
        (
            {"steps_of": named("reasoning_jax.rewards.steps.step_ends")},
            ["steps_of cannot label"],
        ),
        ({"advantage": named(f"{ROOM}.advantages.pure")}, ["steps_of.name", "correct_steps"]),
    ],
)
def test_bad_values_are_named(tiny, tmp_path, keys, parts):
    with pytest.raises(ValueError, match=r"config\.rl") as error:
        run(tiny(**keys), tmp_path / "run")
    for part in parts:
        assert part in str(error.value)
