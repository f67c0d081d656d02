"""launch.convert_hf as a user runs it, in processes of its own."""

import json

import jax
import jax.numpy as jnp
import job
import numpy as np
import pytest
from safetensors.numpy import load_file

from reasoning_jax.models import (
    LoraConfig,
    MixtureOfExperts,
    init_lora,
    init_params,
    load_hf,
    load_reward_model,
    merge,
    preset,
    save_hf,
    save_peft,
    save_reward_model,
)
from reasoning_jax.models.heads import init_head
from reasoning_jax.parallel import make_mesh
from reasoning_jax.stages.exported import load_exported
from reasoning_jax.text import CharTokenizer, load_chat_template, load_tokenizer, train_bpe

COMPANIONS = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")
MODELS = {
    "dense": {"architecture": "qwen2", "qkv_bias": True},
    "experts": {
        "architecture": "qwen3_moe",
        "qk_norm": "head",
        "moe": {"n_experts": 4, "top_k": 2, "d_ff": 16},
    },
}


def convert(source, target, *flags, code=0):
    """What the script printed."""
    done = job.command("convert_hf", f"--from={source}", f"--to={target}", *flags, code=code)
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=MODELS)
def source(request, tmp_path_factory):
    """A bfloat16 folder in several shards, with a tokenizer, a chat template and token ids."""
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = train_bpe(["some text\n"] * 3, 300, folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    (folder / "generation_config.json").write_text('{"top_p": 0.8, "eos_token_id": [5]}')
    (folder / "README.md").write_text("stays behind")
    overrides = dict(MODELS[request.param])
    if "moe" in overrides:
        overrides["moe"] = MixtureOfExperts(**overrides["moe"])
    config = preset("nano", tokenizer.vocab_size, overrides)
    params = init_params(config, jax.random.key(0))
    written = (folder / "generation_config.json").read_bytes()
    save_hf(folder, config, params, jnp.bfloat16, 40_000, {"eos_token_id": 3, "pad_token_id": 0})
    (folder / "generation_config.json").write_bytes(written)
    return folder


def tensors(folder):
    """All tensors of a folder as bits."""
    files = sorted(folder.glob("*.safetensors"))
    return {name: x.view(np.uint16) for path in files for name, x in load_file(path).items()}


def test_there_and_back(source, tmp_path):
    ours, back = tmp_path / "ours", tmp_path / "deep" / "back"
    report = convert(source, ours)
    count = sum(x.size for x in tensors(source).values())
    assert report.startswith(f"{ours}: orbax, {count:,} parameters, 0.00")
    assert sorted(path.name for path in ours.iterdir()) == sorted(
        ["config.json", "params", "chat_template.jinja", *COMPANIONS]
    )
    assert convert(ours, back).startswith(f"{back}: hf, {count:,} parameters")

    assert len(list(source.glob("*.safetensors"))) > 1
    assert [path.name for path in back.glob("*.safetensors")] == ["model.safetensors"]
    before, after = tensors(source), tensors(back)
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    for name in ("config.json", "chat_template.jinja", *COMPANIONS):
        assert (back / name).read_bytes() == (source / name).read_bytes(), name

    config, params, tokenizer = load_exported(ours, make_mesh())
    expected_config, expected, _ = load_exported(source, make_mesh())
    assert config == expected_config
    for x, y in zip(jax.tree.leaves(params), jax.tree.leaves(expected)):
        assert x.sharding == y.sharding
        np.testing.assert_array_equal(x, y)
    assert tokenizer.eos_ids[1:] == (5,)
    assert load_chat_template(ours).source == "{{ messages[0].content }}"


def test_another_dtype_and_other_shards(source, tmp_path):
    convert(source, tmp_path / "out", "--format=hf", "--dtype=float32", "--shard_gb=1e-4")
    shards = sorted((tmp_path / "out").glob("*.safetensors"))
    assert len(shards) > 1
    before = tensors(source)
    for path in shards:
        widened = load_file(path)
        assert sum(x.nbytes for x in widened.values()) <= 100_000
        for name, x in widened.items():
            np.testing.assert_array_equal(x, before[name].view(jnp.bfloat16).astype(np.float32))
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["torch_dtype"], config["eos_token_id"]) == ("float32", 3)


def test_a_target_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    error = convert(tmp_path, tmp_path / "full", code=1)
    assert f"error: {tmp_path}/full exists and is not an empty folder" in error
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]


def test_a_source_without_a_model(tmp_path):
    error = convert(tmp_path / "absent", tmp_path / "out", code=1)
    assert "error: no config.json in" in error
    assert not (tmp_path / "out").exists()


def test_an_adapter_is_merged(source, tmp_path):
    config, base, _ = load_exported(source, make_mesh(devices=jax.devices()[:1]))
    lora = LoraConfig(2, 4.0, ("attention/q",))
    adapters = jax.tree.map(lambda x: x + 0.1, init_lora(config, lora, jax.random.key(0)))
    save_peft(tmp_path / "adapter", config, lora, adapters)
    convert(
        *(source, tmp_path / "out", "--format=hf", "--dtype=float32"),
        f"--adapter={tmp_path / 'adapter'}",
    )
    _, merged = load_hf(tmp_path / "out")
    for got, expected in zip(
        jax.tree.leaves(merged), jax.tree.leaves(merge(base, adapters, lora.scale))
    ):
        np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.slow
def test_a_reward_model_keeps_its_head(tmp_path):
    tokenizer = CharTokenizer("0123456789+=")
    config = preset("nano", tokenizer.vocab_size, {})
    params = init_params(config, jax.random.key(0))
    head = init_head(jax.random.key(1), config.d_model) | {"bias": jnp.ones(1)}
    save_reward_model(tmp_path / "rm", config, params, head)
    tokenizer.save(tmp_path / "rm")
    report = convert(tmp_path / "rm", tmp_path / "half", "--dtype=bfloat16")
    assert report.startswith(f"{tmp_path / 'half'}: hf")
    _, _, again = load_reward_model(tmp_path / "half", dtype=None)
    np.testing.assert_array_equal(again["kernel"], head["kernel"].astype(jnp.bfloat16))
    assert again["bias"].tolist() == [1]
    assert load_tokenizer(tmp_path / "half").vocab_size == tokenizer.vocab_size
    report = convert(tmp_path / "rm", tmp_path / "ours", "--format=orbax", code=1)
    assert "stays in Hugging Face's layout" in report and not (tmp_path / "ours").exists()
