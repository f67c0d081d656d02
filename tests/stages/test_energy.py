"""Pretraining of energy models and their baseline: metrics, resuming, what goes wrong."""

import json
import math

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from reasoning_jax.models.energy import load_energy
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.energy.model import saved_energy_sampler
from reasoning_jax.stages.exported import load_merged
from reasoning_jax.stages.recipe import add_stage, recipe
from reasoning_jax.stages.run import check, run
from reasoning_jax.stages.stage import Interrupted, StopSignals


def tiny(module, **energy):
    config = recipe("tiny")
    config.task = "markov"
    config.task_options.update(symbols=5, length=9, train_size=200)
    config.model = "nano"
    config.model_overrides.update(d_model=16, n_heads=2, n_kv_heads=2, head_dim=8, d_ff=16)
    config.mesh.data = 1
    config.energy.update(energy)
    stage = add_stage(config, "ebt", module)
    stage.row_tokens = 20
    stage.rows = 8
    stage.steps = 6
    stage.log_every = 1
    stage.evaluate_every = 3
    stage.validation.documents = 20
    stage.optimizer.schedule.warmup_steps = 0
    if module.endswith("energy.pretrain"):
        stage.evaluation.update(steps=3, starts=2)
    return config


def s2():
    config = tiny("reasoning_jax.stages.energy.pretrain", landscapes=1)
    config.ebt.thinking.update(steps=2, min_steps=1, step_size_spread=2.0, langevin=0.1)
    config.ebt.loss = named("reasoning_jax.models.energy.loss_truncated")
    config.ebt.replay.entries = 16
    study = add_stage(config, "study", "reasoning_jax.stages.energy.thinking_study")
    study.update(row_tokens=20, rows=8, documents=20, steps=3, starts=2)
    study.texts.warmer = ConfigDict({"temperature": 2.0})
    return config


DEVICES = jax.devices()


@pytest.fixture(scope="module", autouse=True)
def one_device():
    """Meshes take the first of the simulated devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "devices", lambda *_: DEVICES[:1])
        yield


def lines(workdir):
    found = []
    for line in (workdir / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        found.append({k: v for k, v in values.items() if k != "time" and "perf/" not in k})
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("energy")
    run(s2(), workdir)
    return workdir


def test_a_run_shows_what_thinking_does(finished):
    found = lines(finished)
    steps = [line for line in found if "train/loss" in line]
    assert len(steps) == 6
    for t in (1, 2):
        assert all(f"train/nll_{t}" in line for line in steps)
        assert all(line[f"train/slope_{t - 1}"] > 0 for line in steps)
        assert all(math.isfinite(line[f"train/energy_{t - 1}"]) for line in steps)
    assert steps[-1]["train/step_size"] != steps[0]["train/step_size"]
    evaluations = [line for line in found if "eval/nll" in line]
    assert [line["step"] for line in evaluations] == [3, 6]
    last = evaluations[-1]
    assert last["eval/regret"] > 0
    assert {"eval/best_of_2", "eval/mean_of_2", "eval/change", "eval/correlation"} <= last.keys()
    assert last["think/nll_2"] == last["eval/nll"] and "think/energy_3" in last
    studied = found[-1]
    assert studied["stage"] == "study"
    for text in ("same", "warmer", "noisy"):
        assert studied[f"eval/{text}/curve_x1/2"] == studied[f"eval/{text}/nll"]
        assert studied[f"eval/{text}/gain"] >= 0
        assert f"eval/{text}/choice_gain" in studied and f"eval/{text}/curve_x0.5/3" in studied
    assert "eval/noisy/regret" not in studied and studied["eval/warmer/regret"] > 0
    page = (finished / "report.html").read_text()
    for title in ("Loss by thoughts", "Energy by thoughts", "Step size", "Thinking curve"):
        assert title in page
    config, params, settings = load_energy(finished / "model")
    assert settings["landscapes"] == 1 and config.d_model == 16
    assert float(params["step_size"]) == pytest.approx(steps[-1]["train/step_size"], rel=0.2)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_bit_identically(finished, tmp_path, monkeypatch):
    asked = iter([False, False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(StopSignals, "asked", lambda self: next(asked))
        with pytest.raises(Interrupted):
            run(s2(), tmp_path)
    run(s2(), tmp_path)
    assert lines(tmp_path) == lines(finished)


@pytest.mark.slow
def test_eight_devices_give_the_metrics_of_one(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda *_: DEVICES)
    config = s2()
    config.mesh.update(data=2, fsdp=2, tensor=2)
    run(config, tmp_path)
    for ours, theirs in zip(lines(tmp_path), lines(finished), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            if name != "stage":
                assert value == pytest.approx(theirs[name], rel=1e-3, abs=1e-4), name


ENERGY = "reasoning_jax.models.energy"


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"energy.conditioning": "time_token"},
        {
            "ebt.thinking.start.name": f"{ENERGY}.Draft",
            "ebt.loss.name": f"{ENERGY}.loss_with_draft",
        },
        {"ebt.thinking.size_rule.name": f"{ENERGY}.WithinCurvature"},
    ],
    ids=["time_token", "draft", "curvature"],
)
def test_options_train_from_their_keys_alone(tmp_path, options):
    config = tiny("reasoning_jax.stages.energy.pretrain", landscapes=2)
    config.ebt.row_tokens = 10  # a document
    config.ebt.evaluate_every = 6
    config.update_from_flattened_dict(options)
    run(config, tmp_path)
    found = lines(tmp_path)
    losses = [line["train/loss"] for line in found if "train/loss" in line]
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0]
    _, _, settings = load_energy(tmp_path / "model")
    assert settings["conditioning"] == config.energy.conditioning
    assert settings["start"] == {"name": f"{ENERGY}.Noise"}


def test_a_time_token_cannot_sample(tmp_path):
    config = tiny("reasoning_jax.stages.energy.pretrain", landscapes=2, conditioning="time_token")
    config.ebt.row_tokens = 10
    context, _ = check(config, tmp_path)
    with pytest.raises(ValueError, match="no cache holds them"):
        context.sampler({})
    add_stage(config, "evaluate", "reasoning_jax.stages.evaluate")
    with pytest.raises(ValueError, match=r"config\.evaluate samples"):
        check(config, tmp_path)


@pytest.mark.slow
def test_divergence_names_the_step_size(tmp_path):
    config = s2()
    config.energy.step_size = 1e6
    config.ebt.step_size_rate = 0.0
    with pytest.raises(RuntimeError, match=r"train/loss is .* step size of thinking is 1e\+06"):
        run(config, tmp_path)


@pytest.mark.slow
def test_the_baseline_reads_the_same_text(tmp_path):
    run(tiny("reasoning_jax.stages.pretrain"), tmp_path)
    found = lines(tmp_path)
    losses = [line["train/loss"] for line in found if "train/loss" in line]
    assert losses[-1] < losses[0]
    last = found[-1]
    assert 0 < last["eval/regret"] < last["eval/nll"] < 2 * np.log(7)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("energy.landscapes", 0, "has no energy model"),
        ("ebt.thinking.min_steps", 3, "min_steps 3 and steps 2"),
        ("ebt.replay.entries", 4, "replay.entries 4"),
        ("ebt.evaluation.steps", 1, "evaluation.steps 1"),
        ("ebt.step_size_rate", -1.0, "step_size_rate is -1"),
        ("ebt.documents", 999, "documents 999"),
        ("energy.attention", "cudnn", "must have a second derivative"),
        ("energy.conditioning", "adaln", "conditioning is 'adaln'"),
        ("energy.conditioning", "time_token", "rows of one document"),
        ("energy.support.name", "reasoning_jax.models.energy.Likeliest", "Likeliest needs k"),
        ("ebt.thinking.start.name", "reasoning_jax.models.energy.Guess", "no function"),
        ("lora.rank", 2, "trains all of its parameters"),
    ],
)
def test_settings_that_cannot_work_fail_before_any_work(tmp_path, where, value, message):
    config = s2()
    config.update_from_flattened_dict({where: value})
    with pytest.raises(ValueError, match=message):
        check(config, tmp_path)


def test_stages_of_plain_transformers_are_refused(tmp_path):
    config = tiny("reasoning_jax.stages.pretrain", landscapes=1)
    with pytest.raises(ValueError, match=r"config.ebt.stage is .* takes a plain transformer"):
        check(config, tmp_path)


def test_a_saved_model_is_what_the_next_run_begins_with(finished, tmp_path):
    config = s2()
    config.model = str(finished / "model")
    config.model_overrides = ConfigDict()
    context, _ = check(config, tmp_path)
    begun = context.first_trained()
    _, params, _ = load_energy(finished / "model")
    np.testing.assert_array_equal(begun["candidate_embedding"], params["candidate_embedding"])
    with pytest.raises(ValueError, match="holds an energy model, which this cannot use"):
        load_merged(finished)
    sampler = saved_energy_sampler(
        finished / "model", context.tokenizer, context.mesh, context.dtype
    )
    assert sampler.encode(0, "ab", SamplingParams(max_tokens=3)) == (2, 3)
    config.energy.landscapes = 2
    with pytest.raises(ValueError, match="energy model of landscapes 1 and"):
        check(config, tmp_path)
