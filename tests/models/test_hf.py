import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from reasoning_jax.models import (
    Transformer,
    init_params,
    load_hf,
    param_shardings,
    preset,
    save_hf,
    token_logprobs,
)
from reasoning_jax.models import hf as hf_module
from reasoning_jax.models.hf_config import config_from_hf
from reasoning_jax.parallel.mesh import make_mesh

TOKENS = [[1, 5, 9, 2, 30, 7]]

# First two logits at the last position, from an independent float64 NumPy forward pass that
# agrees with the PyTorch models of transformers to 5e-7.
LAST_LOGITS = {
    "llama3": (-0.593600, -1.356627),
    "qwen2": (-1.188961, -1.329808),
    "qwen3": (-0.794109, -0.260049),
    "olmo2": (0.437711, -0.086893),
    "gemma2": (0.621613, 0.592930),
    "gemma3": (0.369185, 0.721058),
    "qwen2_moe": (-0.205030, -0.362180),
    "qwen3_moe": (1.575551, 0.907862),
}


def assert_trees_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.fixture
def copy_of(hub_folder, tmp_path):
    """copy_of(family, edit_config, edit_tensors) -> a changed copy of a hub folder."""

    def build(family, config=lambda data: None, tensors=lambda tensors: None):
        folder = tmp_path / family
        shutil.copytree(hub_folder(family), folder)
        data = json.loads((folder / "config.json").read_text())
        config(data)
        (folder / "config.json").write_text(json.dumps(data))
        weights = load_file(folder / "model.safetensors")
        tensors(weights)
        save_file(weights, folder / "model.safetensors")
        return folder

    return build


def test_last_logits(family, hub_model, forward):
    config, params = hub_model(family)
    logits = forward(config, params, TOKENS)
    np.testing.assert_allclose(logits[0, -1, :2], LAST_LOGITS[family], atol=1e-5)


def test_all_logits_and_logprobs_of_the_worked_case(family, cases, hub_folder, hub_model, forward):
    case = cases("decoder_architectures")["cases"][family]
    stored = load_file(hub_folder(family) / "model.safetensors")
    assert {name: list(x.shape) for name, x in stored.items()} == case["tensor_shapes"]
    config, params = hub_model(family)
    np.testing.assert_allclose(forward(config, params, TOKENS)[0], case["logits"], atol=1e-5)
    with jax.disable_jit():
        logprobs, *_ = token_logprobs(Transformer(config), params, jnp.asarray(TOKENS))
    np.testing.assert_allclose(logprobs[0, 1:], case["next_token_logprobs"], atol=1e-5)


def test_load_save_load_is_bit_equal(family, hub_folder, hub_model, tmp_path):
    config, params = hub_model(family)
    save_hf(tmp_path / "out", config, params)
    again, params_again = load_hf(tmp_path / "out")
    assert again == config
    assert_trees_equal(params_again, params)
    before = load_file(hub_folder(family) / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_shards_with_an_index(hub_model, tmp_path):
    config, params = hub_model("qwen2_moe")
    limit = 8192
    save_hf(tmp_path / "out", config, params, max_shard_bytes=limit)
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    shards = sorted((tmp_path / "out").glob("*.safetensors"))
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert len(shards) == len(set(index["weight_map"].values())) > 2
    assert shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    total = 0
    for shard in shards:
        tensors = load_file(shard)
        assert {index["weight_map"][name] for name in tensors} == {shard.name}
        size = sum(x.nbytes for x in tensors.values())
        assert size <= limit
        total += size
    assert (
        index["metadata"]["total_size"] == total == 4 * sum(x.size for x in jax.tree.leaves(params))
    )
    assert_trees_equal(load_hf(tmp_path / "out")[1], params)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_files(dtype, hub_model, tmp_path):
    config, params = hub_model("gemma2")
    save_hf(tmp_path / "out", config, params, dtype=jnp.dtype(dtype))
    with safe_open(tmp_path / "out" / "model.safetensors", "numpy") as file:
        stored = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        assert file.metadata() == {"format": "pt"}
    assert stored == {"BF16" if dtype == "bfloat16" else "F16"}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == dtype
    rounded = jax.tree.map(lambda x: x.astype(dtype), params)
    assert_trees_equal(load_hf(tmp_path / "out", dtype=jnp.dtype(dtype))[1], rounded)
    widened = jax.tree.map(lambda x: x.astype(jnp.float32), rounded)
    assert_trees_equal(load_hf(tmp_path / "out")[1], widened)


def test_a_preset_can_be_saved(tmp_path):
    config = preset("nano", 20)
    params = init_params(config, jax.random.key(0))
    save_hf(tmp_path / "out", config, params)
    again, params_again = load_hf(tmp_path / "out")
    assert again == config
    assert_trees_equal(params_again, params)


def test_load_onto_a_mesh_and_save_from_it(hub_folder, hub_model, tmp_path):
    mesh = make_mesh(2, 2, 2)
    config, params = load_hf(hub_folder("qwen2_moe"), mesh)
    shardings = param_shardings(config, mesh)
    assert jax.tree.map(lambda x: x.sharding, params) == shardings
    assert any(not x.sharding.is_fully_replicated for x in jax.tree.leaves(params))
    assert_trees_equal(params, hub_model("qwen2_moe")[1])
    save_hf(tmp_path / "out", config, params)
    assert_trees_equal(load_hf(tmp_path / "out")[1], hub_model("qwen2_moe")[1])


def test_a_copy_of_the_tied_head_and_rotary_buffers_are_harmless(copy_of, hub_model):
    def add(tensors):
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].copy()
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(2, np.float32)

    _, params = load_hf(copy_of("qwen2", tensors=add))
    assert_trees_equal(params, hub_model("qwen2")[1])


def test_a_head_that_differs_from_the_tied_embedding_is_unexpected(copy_of):
    def add(tensors):
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1

    with pytest.raises(ValueError, match=r"unexpected: lm_head\.weight \(32, 16\)"):
        load_hf(copy_of("qwen2", tensors=add))


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
def test_text_decoder_of_a_multimodal_checkpoint(prefix, copy_of, hub_model):
    def nest(data):
        text = dict(data)
        data.clear()
        data |= {"model_type": "gemma3", "text_config": text, "vision_config": {}}

    def rename(tensors):
        renamed = {name.replace("model.", prefix, 1): x for name, x in tensors.items()}
        tensors.clear()
        tensors |= renamed
        tensors["model.vision_tower.patch.weight"] = np.ones(3, np.float32)
        tensors["multi_modal_projector.weight"] = np.ones(3, np.float32)

    config, params = load_hf(copy_of("gemma3", nest, rename))
    assert config == hub_model("gemma3")[0]
    assert_trees_equal(params, hub_model("gemma3")[1])


@pytest.mark.parametrize("family", ["qwen2_moe", "qwen3_moe"])
def test_experts_in_one_tensor(family, copy_of, hub_model):
    def fuse(tensors):
        for layer in range(2):
            name = f"model.layers.{layer}.mlp.experts"
            kernels = {
                kind: np.stack([tensors.pop(f"{name}.{e}.{kind}_proj.weight") for e in range(4)])
                for kind in ("gate", "up", "down")
            }
            both = np.concatenate([kernels["gate"], kernels["up"]], axis=1)
            tensors[f"{name}.gate_up_proj"] = np.ascontiguousarray(both)
            tensors[f"{name}.down_proj"] = kernels["down"]

    config, params = load_hf(copy_of(family, tensors=fuse))
    assert config == hub_model(family)[0]
    assert_trees_equal(params, hub_model(family)[1])


def test_experts_in_one_tensor_of_the_wrong_shape_are_named(copy_of):
    def fuse(tensors):
        for name in [name for name in tensors if "layers.0.mlp.experts" in name]:
            del tensors[name]
        tensors["model.layers.0.mlp.experts.gate_up_proj"] = np.ones((4, 24, 5), np.float32)

    with pytest.raises(ValueError) as error:
        load_hf(copy_of("qwen3_moe", tensors=fuse))
    assert "wrong shape: model.layers.0.mlp.experts.3.up_proj.weight (12, 5)" in str(error.value)
    assert "missing: model.layers.0.mlp.experts.0.down_proj.weight" in str(error.value)


def test_all_misfits_are_listed_at_once(copy_of):
    def spoil(tensors):
        del tensors["model.layers.1.mlp.up_proj.weight"]
        del tensors["lm_head.weight"]
        tensors["model.layers.2.mlp.up_proj.weight"] = np.ones((24, 16), np.float32)
        tensors["model.layers.0.self_attn.k_proj.weight"] = np.ones((16, 16), np.float32)
        tensors["model.norm.weight"] = np.ones(16, np.int8)

    with pytest.raises(ValueError) as error:
        load_hf(copy_of("llama3", tensors=spoil))
    assert str(error.value).splitlines()[1:] == [
        "  missing: lm_head.weight (32, 16)",
        "  missing: model.layers.1.mlp.up_proj.weight (24, 16)",
        "  wrong shape: model.layers.0.self_attn.k_proj.weight (16, 16), expected (8, 16)",
        "  unexpected: model.layers.2.mlp.up_proj.weight (24, 16)",
        "  wrong dtype: model.norm.weight I8, expected F64, F32, F16, BF16",
    ]


def test_bias_tensors_that_the_config_denies_are_unexpected(copy_of):
    def add(tensors):
        tensors["model.layers.0.self_attn.o_proj.bias"] = np.ones(16, np.float32)

    with pytest.raises(ValueError, match=r"unexpected: model\.layers\.0\.self_attn\.o_proj\.bias"):
        load_hf(copy_of("qwen2", tensors=add))


def test_no_config(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json in .*nowhere"):
        load_hf(tmp_path / "nowhere")


def test_config_that_is_not_json(copy_of):
    folder = copy_of("qwen2")
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        load_hf(folder)


def test_config_errors_name_the_file(copy_of):
    folder = copy_of("qwen2", lambda data: data.update(hidden_act="relu6"))
    with pytest.raises(ValueError, match=r"config\.json: hidden_act = 'relu6' is not supported"):
        load_hf(folder)


def test_no_weights(copy_of):
    folder = copy_of("qwen2")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors .* convert other formats"):
        load_hf(folder)


def test_missing_shard(hub_model, tmp_path):
    save_hf(tmp_path / "out", *hub_model("qwen2"), max_shard_bytes=4096)
    second = sorted((tmp_path / "out").glob("*.safetensors"))[1]
    second.unlink()
    with pytest.raises(FileNotFoundError, match=f"not there: {second.name}; finish the download"):
        load_hf(tmp_path / "out")


@pytest.mark.parametrize("kept", [2, 100, -5])
def test_torn_file(kept, copy_of):
    path = copy_of("qwen2") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is broken .* download or save it"):
        load_hf(path.parent)


def test_params_that_do_not_fit_are_refused(hub_model, tmp_path):
    config, params = hub_model("qwen2")
    with pytest.raises(ValueError, match=r"\['head'\]: \(16, 32\), expected None"):
        save_hf(tmp_path / "out", config, params | {"head": jnp.ones((16, 32))})
    with pytest.raises(ValueError, match=r"\['embedding'\]: \(31, 16\), expected \(32, 16\)"):
        save_hf(tmp_path / "out", config, params | {"embedding": params["embedding"][:31]})
    assert not (tmp_path / "out").exists()


def test_saving_replaces_weights_and_keeps_other_files(hub_model, tmp_path):
    folder = tmp_path / "out"
    save_hf(folder, *hub_model("qwen2"), max_shard_bytes=4096)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "nested").mkdir()
    (folder / "nested" / "config.json").write_text("kept")
    save_hf(folder, *hub_model("llama3"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "nested",
        "tokenizer.json",
    ]
    assert (folder / "nested" / "config.json").read_text() == "kept"
    assert load_hf(folder)[0] == hub_model("llama3")[0]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_save_leaves_the_old_folder(hub_model, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    save_hf(folder, *hub_model("qwen2"))
    writes = []

    def full_disk(*args, **kwargs):
        writes.append(args)
        if len(writes) == 2:
            raise OSError("disk full")
        return save_file(*args, **kwargs)

    monkeypatch.setattr(hf_module, "save_file", full_disk)
    with pytest.raises(OSError, match="disk full"):
        save_hf(folder, *hub_model("llama3"), max_shard_bytes=4096)
    assert len(writes) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert load_hf(folder)[0] == hub_model("qwen2")[0]


# One change of one key that the architecture reads; shapes stay the same.
CHANGES = [
    ("llama3", {"rms_norm_eps": 1e-2}),
    ("llama3", {"rope_theta": 100.0}),
    ("llama3", {"rope_scaling": None}),
    ("llama3", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    ("llama3", {"rope_parameters": {"rope_theta": 100.0}, "rope_scaling": None}),
    ("qwen2", {"hidden_act": "gelu_pytorch_tanh"}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}),
    ("qwen2", {"rope_scaling": {"type": "yarn", "factor": 4.0}}),
    ("qwen3", {"rms_norm_eps": 1e-2}),
    ("olmo2", {"rope_theta": 100.0}),
    ("gemma2", {"query_pre_attn_scalar": 4}),
    ("gemma2", {"attn_logit_softcapping": 0.05}),
    ("gemma2", {"attn_logit_softcapping": None}),
    ("gemma2", {"final_logit_softcapping": 1.0}),
    ("gemma2", {"final_logit_softcapping": None}),
    ("gemma2", {"sliding_window": 2}),
    ("gemma2", {"layer_types": ["full_attention", "sliding_attention"]}),
    ("gemma2", {"hidden_activation": "silu"}),
    ("gemma3", {"rope_local_base_freq": 100.0}),
    ("gemma3", {"rope_theta": 100.0}),
    ("gemma3", {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    ("gemma3", {"final_logit_softcapping": 1.0}),
    ("gemma3", {"layer_types": ["full_attention", "full_attention"]}),
    ("qwen2_moe", {"norm_topk_prob": True}),
    ("qwen2_moe", {"num_experts_per_tok": 1}),
    ("qwen2_moe", {"use_sliding_window": True, "sliding_window": 2}),
    ("qwen3_moe", {"norm_topk_prob": False}),
    ("qwen3_moe", {"use_sliding_window": True, "sliding_window": 2}),
]


@pytest.mark.parametrize(("family", "change"), CHANGES, ids=str)
def test_a_changed_key_changes_the_logits(family, change, hub_config, hub_model, forward):
    config, params = hub_model(family)
    changed = config_from_hf(hub_config(family) | change)
    tokens = np.asarray(TOKENS)
    assert changed != config
    difference = forward(changed, params, tokens) - forward(config, params, tokens)
    assert np.abs(difference).max() > 1e-6


def test_embedding_scale_and_offset_norm_matter(hub_model, forward):
    config, params = hub_model("gemma2")
    tokens = np.asarray(TOKENS)
    for change in ({"embed_scale": 1.0}, {"norm_plus_one": False}):
        changed = dataclasses.replace(config, **change)
        difference = forward(changed, params, tokens) - forward(config, params, tokens)
        assert np.abs(difference).max() > 1e-2
