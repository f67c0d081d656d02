"""Whole runs that train low-rank adapters over a model folder."""

import json
import time

import jax
import job
import numpy as np
import pytest

from reasoning_jax.models import (
    MixtureOfExperts,
    init_params,
    load_hf,
    load_peft,
    merge,
    preset,
    save_hf,
)
from reasoning_jax.text import load_tokenizer

LORA = (
    "--config.lora.rank=3",
    "--config.lora.alpha=6.0",
    "--config.stages=('sft','rl')",
    "--config.rl.kl_coef=0.1",
)


def flat(tree) -> dict[str, np.ndarray]:
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


@pytest.fixture(scope="module")
def base(finished_run):
    return finished_run / "model"


@pytest.fixture(scope="module")
def adapted(finished_run, base):
    """The workdir of a run that trained adapters over ``base``, never interrupted."""
    workdir = finished_run.parent / "adapted"
    job.finish(job.start(workdir, f"--config.model={base}", *LORA))
    return workdir


def test_the_export_is_the_base_with_the_adapters_merged(base, adapted):
    config, before = load_hf(base)
    _, exported = load_hf(adapted / "model")
    lora, adapters = load_peft(adapted / "adapter", config)
    assert (lora.rank, lora.scale) == (3, 2.0)
    before, exported, merged = (
        flat(before),
        flat(exported),
        flat(merge(before, adapters, lora.scale)),
    )
    changed = {name for name in before if not np.array_equal(before[name], exported[name])}
    # The projections have adapters; embedding, norms and head stay bit by bit.
    assert changed == {name for name in before if "kernel" in name}
    for name in changed:
        np.testing.assert_allclose(exported[name], merged[name], atol=1e-6)


def test_the_first_step_starts_at_the_base_which_is_the_reference(adapted):
    lines = [line for line in job.lines(adapted) if "rl/kl" in line]
    assert lines[0]["rl/logprob_gap_max"] < 1e-5
    assert lines[0]["rl/kl"] == pytest.approx(0, abs=1e-10)
    assert lines[-1]["rl/kl"] > 1e-9


def test_checkpoints_hold_adapters_alone(base, adapted):
    weights = (base / "model.safetensors").stat().st_size
    written = sum(path.stat().st_size for path in (adapted / "checkpoints").rglob("*"))
    assert written < weights


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_identically(finished_run, base, adapted):
    workdir = finished_run.parent / "adapted_killed"
    flags = (f"--config.model={base}", *LORA)
    process = job.start(workdir, *flags)
    metrics = workdir / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= 9):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    job.finish(job.start(workdir, *flags))
    assert job.lines(workdir) == job.lines(adapted)


@pytest.mark.slow
def test_a_run_begins_with_an_adapter_over_a_mesh_and_a_bfloat16_base(finished_run, base, adapted):
    workdir = finished_run.parent / "adapted_again"
    job.finish(
        job.start(
            workdir,
            f"--config.model={base}",
            f"--config.lora.adapter={adapted / 'adapter'}",
            "--config.lora.base_dtype=bfloat16",
            "--config.stages=('sft',)",
            "--config.mesh.fsdp=2",
            "--config.mesh.tensor=2",
            devices=4,
        )
    )
    before, after = (
        json.loads((run / "adapter" / "adapter_config.json").read_text())
        for run in (adapted, workdir)
    )
    assert before["r"] == after["r"] == 3 and before["lora_alpha"] == after["lora_alpha"]
    config, _ = load_hf(base)
    old, new = (flat(load_peft(run / "adapter", config)[1]) for run in (adapted, workdir))
    moved = max(np.abs(new[name] - old[name]).max() for name in old)
    assert 0 < moved < 0.1  # a few small steps from where the other ended


@pytest.mark.slow
def test_a_mixture_trains_its_routers_balance(finished_run, base):
    """The loss asks for balance as the model's own config says, over experts on a mesh axis."""
    tokenizer = load_tokenizer(base)
    moe = MixtureOfExperts(4, 2, 16, aux_coef=1.0)
    fields = {"architecture": "qwen3_moe", "qk_norm": "head", "moe": moe}
    config = preset("nano", tokenizer.vocab_size, fields)
    folder = finished_run.parent / "mixture_model"
    save_hf(folder, config, init_params(config, jax.random.key(0)))
    tokenizer.save(folder)

    def balance(name: str, *flags: str) -> list[float]:
        workdir = finished_run.parent / name
        flags = (f"--config.model={folder}", "--config.mesh.expert=2", *flags)
        job.finish(job.start(workdir, *flags, devices=2))
        return [line["train/balance"] for line in job.lines(workdir) if "train/balance" in line]

    balanced = balance("mixture", "--config.stages=('sft','rl')", "--config.rl.balance=1.0")
    assert any("rl/reward" in line for line in job.lines(finished_run.parent / "mixture"))
    free = balance("mixture_free", "--config.stages=('sft',)", "--config.sft.balance=0.0")
    assert balanced[0] == pytest.approx(free[0], rel=0.02)
    assert 2 <= balanced[-1] < free[-1]
