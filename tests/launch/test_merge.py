"""Merging as its user types it, and as stages of a run."""

import jax
import job
import numpy as np
import pytest

from configs.dpo import get_config
from reasoning_jax.models import init_params, load_hf, merge_methods, preset, save_hf
from reasoning_jax.stages.recipe import add_stage
from reasoning_jax.stages.run import run
from reasoning_jax.text import CharTokenizer, load_tokenizer

TOKENIZER = CharTokenizer("0123456789+-*=,")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    found = []
    for seed in range(3):
        folder = tmp_path_factory.mktemp("models") / str(seed)
        config = preset("nano", TOKENIZER.vocab_size)
        save_hf(folder, config, init_params(config, jax.random.key(seed)))
        TOKENIZER.save(folder)
        found.append(folder)
    return found


def assert_same(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_methods_are_called_alike(folders):
    models = [load_hf(folder)[1] for folder in folders]
    assert_same(merge_methods.linear(models[:1] * 3), models[0])
    assert_same(merge_methods.linear(models, weights=(0, 2, 0)), models[1])
    assert_same(merge_methods.slerp(models[:2], t=1.0), models[1])
    assert_same(merge_methods.ties(models[:2], density=1.0), models[1])
    with pytest.raises(ValueError, match="3 were given"):
        merge_methods.slerp(models)


def merge(*flags, code=0):
    done = job.command("merge", *flags, code=code)
    return done.stdout if code == 0 else done.stderr


@pytest.mark.slow
def test_folders_are_merged(folders, tmp_path):
    flags = [f"--model={folder}" for folder in folders[:2]]
    weights = ["--weight=3", "--weight=1"]
    told = merge(*flags, *weights, f"--to={tmp_path}/out")
    assert "linear of 2 models" in told
    config, params = load_hf(tmp_path / "out")
    models = [load_hf(folder)[1] for folder in folders[:2]]
    assert_same(params, jax.tree.map(lambda a, b: 0.75 * a + 0.25 * b, *models))
    assert load_tokenizer(tmp_path / "out").encode("1+2") == TOKENIZER.encode("1+2")
    error = merge(*flags, f"--to={tmp_path}/out", code=1)
    assert "is not an empty folder" in error
    other = preset("micro", TOKENIZER.vocab_size)
    save_hf(tmp_path / "other", other, init_params(other, jax.random.key(0)))
    flags = [flags[0], f"--model={tmp_path}/other", f"--to={tmp_path}/none"]
    assert "of another architecture" in merge(*flags, code=1)
    assert config.d_model != other.d_model


def merging_config(**keywords):
    config = get_config("small").unlock()
    for name in ("sft", "evaluate_sft", "dpo", "evaluate_dpo"):
        del config[name]
    config.stages = ()
    add_stage(config, "first", "reasoning_jax.stages.keep")
    add_stage(config, "merged", "reasoning_jax.stages.merge").models = ("first",)
    config.merged.update(keywords)
    return config


def test_a_run_merges_what_it_kept(folders, tmp_path):
    method = {"name": "reasoning_jax.models.merge_methods.linear", "weights": (1.0, 0.0, 3.0)}
    run(merging_config(), tmp_path / "alone")
    _, start = load_hf(tmp_path / "alone" / "kept" / "first")
    assert_same(load_hf(tmp_path / "alone" / "model")[1], start)
    other = tmp_path / "alone" / "model"
    config = merging_config(models=("first", str(other)), method=method)
    run(config, tmp_path / "run")
    assert_same(load_hf(tmp_path / "run" / "model")[1], start)


@pytest.mark.parametrize(
    "keywords, fault",
    [
        ({"models": ()}, "models is empty"),
        ({"models": ("second",)}, "'second': no keep stage of this run and no model folder"),
        ({"method": {"name": "reasoning_jax.models.merge_methods.none"}}, "method.name"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, keywords, fault):
    with pytest.raises((ValueError, FileNotFoundError), match=fault):
        run(merging_config(**keywords), tmp_path / "run")
