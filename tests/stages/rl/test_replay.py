"""Rollouts out of files: the same updates without a sampler, and batches used again."""

import jax
import numpy as np
import pytest

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.collect import Collector
from reasoning_jax.stages.rl.replay import Pool, read_rollouts, write_rollouts
from reasoning_jax.stages.rl.step import Step
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.stages.run import run
from reasoning_jax.types import Completion, Verdict


def some(reward=1.0):
    out = Completion("ab", (1, 2), (-1.0, -2.0), "stop")
    return collate([[5]], [[out, out]], [[Verdict(True, "exact")] * 2], [[reward, 0.0]])


def test_what_is_written_is_read(tmp_path):
    rollouts = some().replace(old_logprobs=np.ones((2, 16), np.float32))
    write_rollouts(tmp_path / "x.npz", rollouts)
    found = read_rollouts(tmp_path / "x.npz")
    assert found.ref_logprobs is None
    jax.tree.map(np.testing.assert_array_equal, found, rollouts)
    (tmp_path / "y.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"y\.npz holds no rollouts"):
        read_rollouts(tmp_path / "y.npz")


def test_a_pool_keeps_what_a_run_may_be_thrown_back_to(tmp_path):
    pool = Pool(tmp_path, span=4)
    for step in range(0, 10, 2):
        pool.keep(step, some(float(step)))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["000004", "000006", "000008"]
    again = Pool(tmp_path, span=4)
    assert again.take(6).rollouts.rewards.tolist() == [6.0, 0.0]
    assert again.take(8).tokens == 0


def test_a_replay_makes_the_same_updates(tiny, tmp_path, steps_of, monkeypatch):
    keys = {"updates": 2, "steps": 3, "evaluate_every": 3}
    run(tiny(dump_every=1, **keys), tmp_path / "sampled")
    monkeypatch.setattr(Collector, "__call__", lambda *_: pytest.fail("a sampler was asked"))
    run(tiny(replay=str(tmp_path / "sampled/rollouts/rl"), **keys), tmp_path / "replayed")
    ours, theirs = steps_of(tmp_path / "replayed"), steps_of(tmp_path / "sampled")
    for line, other in zip(ours, theirs, strict=True):
        assert line == {name: other[name] for name in line}
        assert line["rl/loss"] != 0


def reuse(tiny, **keys):
    config = tiny(reuse=3, steps=5, evaluate_every=5, checkpoint_every=1, **keys)
    config.rl.optimizer.schedule.warmup_steps = 0
    return config


def test_batches_are_used_again_off_policy(tiny, tmp_path, steps_of):
    run(reuse(tiny), tmp_path)
    lines = steps_of(tmp_path)
    assert [line["rl/age"] for line in lines] == [0, 1, 2, 0, 1]
    assert len({line["rl/reward"] for line in lines[:3]}) == 1
    # Ratios are those to the policy that sampled.
    moved = [line["rl/ratio_max"] > 1.0001 for line in lines]  # beyond rounding
    assert moved == [False, True, True, False, True]
    assert all(line["rl/logprob_gap_max"] < 1e-4 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("broken_at", [2, 3, 4])
def test_a_broken_off_run_uses_the_same_batch_again(
    tiny, tmp_path, steps_of, monkeypatch, broken_at
):
    run(reuse(tiny), tmp_path / "whole")
    original = Step.__call__

    def break_off(self, state, indices, step, age):
        if step == broken_at:
            raise KeyboardInterrupt
        return original(self, state, indices, step, age)

    monkeypatch.setattr(Step, "__call__", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(reuse(tiny), tmp_path / "broken")
    monkeypatch.undo()
    run(reuse(tiny), tmp_path / "broken")
    assert steps_of(tmp_path / "broken") == steps_of(tmp_path / "whole")


def test_bad_values_are_named(tiny, tmp_path):
    write_rollouts(tmp_path / "000000.npz", some())
    for keys, part in (
        ({"replay": str(tmp_path / "none")}, "holds no rollouts"),
        ({"replay": str(tmp_path)}, "has 2 rows, not prompts 8 x group_size 4"),
        ({"reuse": 0}, "reuse 0"),
        ({"admit": named("reasoning_jax.stages.rl.admit.everything")}, "admit.name"),
    ):
        with pytest.raises(ValueError, match=part):
            run(tiny(**keys), tmp_path / "run")
