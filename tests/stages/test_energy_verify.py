"""Energies as a judge: pairs of steps, areas, rows; and a run from text to ranked steps."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.stages.energy.judging import area_under_curve
from reasoning_jax.stages.energy.rank import rank_all
from reasoning_jax.stages.energy.rows import step_rows
from reasoning_jax.stages.recipe import add_stage, recipe
from reasoning_jax.stages.run import run
from reasoning_jax.text.char import CharTokenizer


def test_every_right_step_is_ranked_against_every_wrong_one():
    energies = jnp.asarray([[0.0, 2.0, 9.0], [1.0, 9.0, 9.0]])
    labels = jnp.asarray([[1, 0, -1], [1, -1, -1]])
    loss, (ordered, pairs) = rank_all(energies, labels)
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_array_equal(ordered, [1, 1])
    np.testing.assert_array_equal(pairs, [2, 2])
    nothing, _ = rank_all(energies, jnp.full((2, 3), -1))
    assert nothing == 0


def test_area_by_hand():
    right = np.array([True, True, False, False])
    assert area_under_curve(np.array([3.0, 1.0, 2.0, 1.0]), right) == (2 + 0.5) / 4
    assert area_under_curve(np.array([3.0, 1.0]), np.array([True, True])) == 0.5


def test_rows_say_which_step_a_token_is_of():
    tokenizer = CharTokenizer("ab=,")
    rows = step_rows(tokenizer, ["a=", "b="], ["a,bb,a", ""], ",", (3, 10))
    np.testing.assert_array_equal(rows.tokens[0], [2, 4, 2, 5, 3, 3, 5, 2, 1, 0])
    np.testing.assert_array_equal(rows.steps[0], [-1, -1, 0, 0, 1, 1, 1, 2, 2, -1])
    np.testing.assert_array_equal(rows.steps[1], [-1, -1, 0, *[-1] * 7])
    np.testing.assert_array_equal(rows.segment_ids.sum(axis=1), [9, 3, 0])
    with pytest.raises(ValueError, match="7 tokens, more than row_tokens 6"):
        step_rows(tokenizer, ["a="], ["bbbb"], ",", (1, 6))


@pytest.mark.slow
def test_a_run_from_text_to_ranked_steps(tmp_path, monkeypatch):
    devices = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda *_: devices)
    config = recipe("tiny")
    config.task = "modchain"
    config.task_options.update(length=3, modulus=5, operations="+-", noise=0.2)
    config.model = "nano"
    config.model_overrides.update(
        d_model=16, n_heads=2, n_kv_heads=2, head_dim=8, d_ff=16, n_layers=1
    )
    config.mesh.data = 1
    config.energy.landscapes = 1
    config.energy.steps = 1
    ebt = add_stage(config, "ebt", "reasoning_jax.stages.energy.pretrain")
    ebt.update(documents=1_000, row_tokens=30, rows=16, steps=150, evaluate_every=150)
    ebt.thinking.steps = 1
    ebt.validation.documents = 32
    ebt.evaluation.update(steps=2, starts=2)
    rank = add_stage(config, "rank", "reasoning_jax.stages.energy.rank")
    rank.update(problems=40, max_tokens=8, row_tokens=20, rows=16, steps=30, log_every=10)
    rank.evaluation.update(problems=16, n=4, max_tokens=8, row_tokens=20)
    judge = add_stage(config, "judge", "reasoning_jax.stages.energy.verify")
    judge.update(problems=16, n=4, max_tokens=8, row_tokens=20)
    run(config, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    ranks = [line for line in lines if "train/ranked" in line]
    assert [line["step"] for line in ranks] == [10, 20, 30]
    assert ranks[-1]["train/loss"] < ranks[0]["train/loss"]
    assert all(line["train/pairs"] > 0 for line in ranks)
    judged = lines[-1]
    assert judged["stage"] == "judge"
    assert 0 < judged["eval/pass@1"] < judged["eval/pass@4"] < 1
    pooled = ("mean", "largest", "last", "worst_step")
    for name in (*(f"{kind}_{pool}" for kind in ("energy", "rise") for pool in pooled), "logprob"):
        assert 0 <= judged[f"eval/best_by_{name}"] <= judged["eval/pass@4"]
        assert 0 < judged[f"eval/auc_{name}"] < 1
