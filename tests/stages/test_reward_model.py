"""Reward models trained in a run, and what chooses by them."""

import json
import types

import jax
import numpy as np
import pytest

from configs.quickstart import get_config
from reasoning_jax.models import load_reward_model
from reasoning_jax.stages import reward_model
from reasoning_jax.stages.headed import (
    check_reward_model,
    check_start,
    from_reward_model,
    save_headed,
)
from reasoning_jax.stages.loop import Interrupted
from reasoning_jax.stages.recipe import add_stage
from reasoning_jax.stages.run import check, run
from reasoning_jax.stages.sources import curators
from reasoning_jax.stages.sources.curators import BestScored
from reasoning_jax.types import Completion, Verdict


def make_config(**keys):
    config = get_config("small").unlock()
    config.stages = ()
    for name in ("sft", "evaluate_sft", "rl", "evaluate_rl"):
        del config[name]
    config.task = "coin_task:CoinChain"
    stage = add_stage(config, "rm", "reasoning_jax.stages.reward_model")
    stage.source.update({"problems": 60, "n": 16, "most": 4, "max_tokens": 6})
    stage.max_length, stage.max_context, stage.prompts = 32, 16, 8
    stage.steps, stage.log_every, stage.evaluate_every, stage.checkpoint_every = 4, 1, 4, 1
    for key, value in keys.items():
        stage[key] = value
    return config


def lines(workdir):
    read = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    apart = ("time", "perf/tokens_per_s")
    return [{k: v for k, v in line.items() if k not in apart} for line in read]


@pytest.mark.slow
def test_a_broken_off_stage_goes_on_bit_identically(tmp_path, monkeypatch):
    run(make_config(), tmp_path / "whole")
    made, original = [], reward_model.make_update

    def breaking(*arguments, **keywords):
        update = original(*arguments, **keywords)

        def counted(*given):
            made.append(1)
            if len(made) == 3:
                raise Interrupted("now")
            return update(*given)

        return counted

    monkeypatch.setattr(reward_model, "make_update", breaking)
    with pytest.raises(Interrupted):
        run(make_config(), tmp_path / "broken")
    monkeypatch.undo()
    run(make_config(), tmp_path / "broken")
    assert lines(tmp_path / "broken") == lines(tmp_path / "whole")
    weights = "kept/rm/model.safetensors"
    assert (tmp_path / "broken" / weights).read_bytes() == (
        tmp_path / "whole" / weights
    ).read_bytes()
    assert load_reward_model(tmp_path / "whole/kept/rm")[2]["kernel"].any()


@pytest.mark.slow
def test_micro_batches_change_nothing(tmp_path):
    config = make_config(prompts=16)
    run(config, tmp_path / "large")
    config.rm.micro_batches = 2
    run(config, tmp_path / "cut")
    for ours, theirs in zip(lines(tmp_path / "cut"), lines(tmp_path / "large"), strict=True):
        for name, value in ours.items():
            if name != "stage":
                assert value == pytest.approx(theirs[name], rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"steps": 0}, ["steps 0"]),
        ({"max_context": 40}, ["max_context 40"]),
        ({"model": "/nowhere"}, ["'/nowhere'", "no folder"]),
        ({"loss": {"name": "reasoning_jax.rl.k3"}}, ["loss"]),
    ],
)
def test_bad_blocks_are_refused(keys, parts, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        check(make_config(**keys), tmp_path)
    assert all(part in str(error.value) for part in parts)


def test_another_model_begins_as_one_that_was_kept(tmp_path):
    context, _ = check(make_config(), tmp_path)
    policy = context.first_trained()
    head = {"kernel": np.full((context.model.d_model, 1), 0.5, np.float32)}
    save_headed(context, tmp_path / "plain", {"model": policy, "head": head})
    begun = from_reward_model(context, policy, str(tmp_path / "plain"), bias=True)
    np.testing.assert_array_equal(begun["head"]["kernel"], head["kernel"])
    assert begun["head"]["bias"].tolist() == [0]
    same = jax.tree.map(np.array_equal, begun["model"], policy)
    assert all(jax.tree.leaves(same))

    biased = head | {"bias": np.ones(1, np.float32)}
    save_headed(context, tmp_path / "biased", {"model": policy, "head": biased})
    check_start(context, str(tmp_path / "biased"))
    with pytest.raises(ValueError, match="has a bias"):
        from_reward_model(context, policy, str(tmp_path / "biased"), bias=False)
    wide = {"kernel": np.zeros((context.model.d_model, 2), np.float32)}
    save_headed(context, tmp_path / "wide", {"model": policy, "head": wide})
    with pytest.raises(ValueError, match="2 outputs"):
        check_reward_model(context, str(tmp_path / "wide"))
    context.verifier.close()
    other, _ = check(make_config_of("micro"), tmp_path)
    with pytest.raises(ValueError, match="another architecture"):
        check_start(other, str(tmp_path / "plain"))
    other.verifier.close()


def make_config_of(model):
    config = make_config()
    config.model, config.unroll = model, 1
    return config


def test_the_best_scored_right_answers_are_kept(monkeypatch):
    """Two problems of three answers; the best answer of the first is wrong."""
    scores = [[0.1, 0.9, 0.5], [0.2, 0.3, 0.1]]
    right = [[True, False, True], [True, True, True]]
    texts = [["a", "b", "c"], ["d", "e", "f"]]
    problems = [types.SimpleNamespace(id=f"p{i}", prompt=f"q{i}") for i in range(2)]
    graded = [
        [(Completion(text, (), (), "stop"), Verdict(ok, "")) for text, ok in zip(*row)]
        for row in zip(texts, right)
    ]
    monkeypatch.setattr(curators, "RewardScores", lambda context, name: lambda *asked: scores)
    monkeypatch.setattr(curators, "graded_answers", lambda *asked: graded)
    task = types.SimpleNamespace(problem=lambda split, index: problems[index])
    context = types.SimpleNamespace(task=task)
    examples, counts = BestScored(problems=2, model="rm").examples(context, {}, 0)
    assert [example.response for example in examples] == ["c", "e"]
    assert counts == {"problems": 2, "own": 2}
    np.testing.assert_array_equal([e.source for e in examples], ["p0", "p1"])
