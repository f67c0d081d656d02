import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reasoning_jax.models import load_hf
from reasoning_jax.models.lora import (
    LoraConfig,
    abstract_lora,
    alpha_over_rank,
    alpha_over_sqrt_rank,
    combine,
    lora_shardings,
    projections,
)
from reasoning_jax.models.peft import load_peft, save_peft
from reasoning_jax.parallel.mesh import make_mesh

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LAYER = "base_model.model.model.layers.0."


def everywhere(config, scaling=alpha_over_rank):
    return LoraConfig(3, 6.0, tuple(projections(config)), scaling)


def random_adapters(config, lora):
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.2 * rng.normal(size=leaf.shape), jnp.float32),
        abstract_lora(config, lora),
    )


def assert_trees_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture
def saved(hub_model, tmp_path):
    """saved(family, lora) -> (model config, adapters, the folder they are saved in)."""

    def build(family, lora=None):
        config, _ = hub_model(family)
        lora = lora or everywhere(config)
        adapters = random_adapters(config, lora)
        save_peft(tmp_path / "adapter", config, lora, adapters, base_model="some/base")
        return config, adapters, tmp_path / "adapter"

    return build


def edit(folder, config=lambda data: None, tensors=lambda tensors: None):
    """Changes the files of a saved adapter."""
    data = json.loads((folder / CONFIG).read_text())
    config(data)
    (folder / CONFIG).write_text(json.dumps(data))
    weights = load_file(folder / WEIGHTS)
    tensors(weights)
    save_file(weights, folder / WEIGHTS)


@pytest.mark.parametrize("scaling", [alpha_over_rank, alpha_over_sqrt_rank])
def test_round_trip(family, hub_model, saved, scaling):
    lora = everywhere(hub_model(family)[0], scaling)
    config, adapters, folder = saved(family, lora)
    again, adapters_again = load_peft(folder, config)
    assert again == lora
    assert_trees_equal(adapters_again, adapters)


def test_names_and_layouts(saved):
    lora = LoraConfig(3, 6.0, ("attention/[qo]", "mlp/down"))
    _, adapters, folder = saved("qwen3", lora)
    tensors = load_file(folder / WEIGHTS)
    # d_model 16, four heads of 8, d_ff 24.
    assert {n: x.shape for n, x in tensors.items() if n.startswith(LAYER)} == {
        LAYER + "self_attn.q_proj.lora_A.weight": (3, 16),
        LAYER + "self_attn.q_proj.lora_B.weight": (32, 3),
        LAYER + "self_attn.o_proj.lora_A.weight": (3, 32),
        LAYER + "self_attn.o_proj.lora_B.weight": (16, 3),
        LAYER + "mlp.down_proj.lora_A.weight": (3, 24),
        LAYER + "mlp.down_proj.lora_B.weight": (16, 3),
    }
    assert len(tensors) == 12
    q = adapters["layers"]["block"]["attention"]["q"]["lora_b"]
    stored = tensors["base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"]
    # Output 13 of the flat projection is entry 5 of head 1.
    assert stored[13, 2] == q[1, 2, 1, 5]
    o = adapters["layers"]["block"]["attention"]["o"]["lora_a"]
    assert tensors[LAYER + "self_attn.o_proj.lora_A.weight"][2, 13] == o[0, 1, 5, 2]
    data = json.loads((folder / CONFIG).read_text())
    assert (data["peft_type"], data["r"], data["lora_alpha"]) == ("LORA", 3, 6.0)
    assert data["base_model_name_or_path"] == "some/base"
    assert data["target_modules"] == ["self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"]


@pytest.mark.parametrize(
    ("asked", "targets"),
    [
        (["q_proj", "down_proj"], ("attention/q", "mlp/down")),
        (["self_attn.v_proj"], ("attention/v",)),
        ([f"model.layers.{i}.mlp.up_proj" for i in range(2)], ("mlp/up",)),
        (
            [f"model.language_model.layers.{i}.mlp.up_proj" for i in range(2)],
            ("mlp/up",),
        ),
        (r".*\.(k_proj|gate_proj)", ("attention/k", "mlp/gate")),
    ],
    ids=str,
)
def test_target_modules_as_peft_reads_them(asked, targets, saved):
    config, adapters, folder = saved("llama3", LoraConfig(3, 6.0, targets))
    edit(folder, lambda data: data.update(target_modules=asked))
    lora, again = load_peft(folder, config)
    assert lora.targets == targets
    assert_trees_equal(again, adapters)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([r"lm_head"], r"\['lm_head'\] match none of attention/q"),
        (r".*\.q", r"match none of attention/q"),
        (
            ["model.layers.1.mlp.up_proj"],
            r"leave out model\.layers\.0\.mlp\.up_proj; .* all layers",
        ),
    ],
    ids=str,
)
def test_target_modules_without_a_place_are_refused(asked, message, saved):
    config, _, folder = saved("llama3")
    edit(folder, lambda data: data.update(target_modules=asked))
    with pytest.raises(ValueError, match=rf"{CONFIG}: target_modules .*{message}"):
        load_peft(folder, config)


@pytest.mark.parametrize(
    "keys",
    [
        {"peft_type": "IA3"},
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"bias": "all"},
        {"rank_pattern": {"q_proj": 4}},
        {"alpha_pattern": {"q_proj": 4}},
        {"layers_to_transform": [0]},
        {"init_lora_weights": "pissa"},
        {"something_of_tomorrow": True},
    ],
    ids=str,
)
def test_other_kinds_of_adapter_are_refused_by_name(keys, saved):
    config, _, folder = saved("llama3")
    edit(folder, lambda data: data.update(keys))
    ((key, value),) = keys.items()
    with pytest.raises(ValueError, match=re.escape(f"unsupported: {key} {value!r}")):
        load_peft(folder, config)


def test_keys_that_are_off_or_without_effect_are_read_over(saved):
    config, adapters, folder = saved("llama3")
    keys = {"use_dora": False, "modules_to_save": None, "rank_pattern": {}, "lora_dropout": 0.1}
    edit(folder, lambda data: data.update(keys, something_of_tomorrow=None))
    assert_trees_equal(load_peft(folder, config)[1], adapters)


def test_a_config_without_its_numbers_is_refused(saved):
    config, _, folder = saved("llama3")
    edit(folder, lambda data: (data.pop("r"), data.pop("lora_alpha")))
    with pytest.raises(ValueError, match="lacks r, lora_alpha"):
        load_peft(folder, config)


def test_all_misfits_are_listed_at_once(saved):
    config, _, folder = saved("llama3")

    def spoil(tensors):
        del tensors[LAYER + "mlp.up_proj.lora_A.weight"]
        tensors["base_model.model.lm_head.lora_A.weight"] = np.zeros((3, 16), np.float32)
        tensors[LAYER + "mlp.down_proj.lora_B.weight"] = np.zeros((16, 4), np.float32)

    edit(folder, tensors=spoil)
    with pytest.raises(ValueError) as error:
        load_peft(folder, config)
    assert str(error.value).splitlines()[1:] == [
        f"  missing: {LAYER}mlp.up_proj.lora_A.weight (3, 16)",
        "  unexpected: base_model.model.lm_head.lora_A.weight (3, 16)",
        f"  wrong shape: {LAYER}mlp.down_proj.lora_B.weight (16, 4), expected (16, 3)",
    ]


def test_adapters_of_experts_are_unexpected(saved):
    config, _, folder = saved("qwen3_moe", LoraConfig(3, 6.0, ("attention/*",)))
    name = LAYER + "mlp.experts.0.up_proj.lora_A.weight"
    edit(folder, tensors=lambda tensors: tensors.update({name: np.zeros((3, 16), np.float32)}))
    with pytest.raises(ValueError, match=f"unexpected: {re.escape(name)}"):
        load_peft(folder, config)


def test_adapter_of_a_multimodal_base(saved):
    config, adapters, folder = saved("gemma3")

    def rename(tensors):
        for name in list(tensors):
            tensors[name.replace("model.layers", "model.language_model.layers")] = tensors.pop(name)

    edit(folder, tensors=rename)
    assert_trees_equal(load_peft(folder, config)[1], adapters)


def test_half_precision_files(saved):
    config, adapters, folder = saved("llama3")
    rounded = jax.tree.map(lambda x: x.astype(jnp.bfloat16), adapters)
    edit(
        folder,
        tensors=lambda tensors: tensors.update(
            {name: x.astype(jnp.bfloat16) for name, x in tensors.items()}
        ),
    )
    again = load_peft(folder, config)[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(again)} == {jnp.dtype(jnp.float32)}
    assert_trees_equal(again, rounded)


def test_load_onto_a_mesh_and_save_from_it(saved, tmp_path):
    config, adapters, folder = saved("llama3")
    mesh = make_mesh(2, 2, 2)
    lora, split = load_peft(folder, config, mesh)
    assert jax.tree.map(lambda x: x.sharding, split) == lora_shardings(config, lora, mesh)
    save_peft(tmp_path / "again", config, lora, split)
    assert_trees_equal(load_peft(tmp_path / "again", config)[1], adapters)


def test_saving_replaces_the_adapter_and_keeps_other_files(saved):
    config, adapters, folder = saved("llama3")
    (folder / "notes.txt").write_text("kept")
    lora = everywhere(config)
    other = jax.tree.map(lambda x: x + 1, adapters)
    save_peft(folder, config, lora, other)
    assert_trees_equal(load_peft(folder, config)[1], other)
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS, "notes.txt"]


def test_what_cannot_be_saved_is_named(hub_model, tmp_path):
    config, _ = hub_model("llama3")
    lora = LoraConfig(3, 6.0, ("attention/q",))
    other = random_adapters(config, LoraConfig(4, 6.0, ("attention/q",)))
    with pytest.raises(ValueError, match=r"lora_a.*\(2, 16, 4\), expected \(2, 16, 3\)"):
        save_peft(tmp_path / "out", config, lora, other)
    odd = LoraConfig(3, 6.0, ("attention/q",), scaling=lambda alpha, rank: 0.5)
    with pytest.raises(ValueError, match=r"cannot express .* alpha 1\.5"):
        save_peft(tmp_path / "out", config, odd, random_adapters(config, odd))
    assert not (tmp_path / "out").exists()


def test_missing_and_broken_files(saved):
    config, _, folder = saved("llama3")
    (folder / WEIGHTS).write_bytes(b"torn")
    with pytest.raises(ValueError, match="is broken"):
        load_peft(folder, config)
    (folder / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=f"no {WEIGHTS} in"):
        load_peft(folder, config)
    (folder / CONFIG).write_text("{")
    (folder / WEIGHTS).touch()
    with pytest.raises(ValueError, match="not valid JSON"):
        load_peft(folder, config)
    with pytest.raises(FileNotFoundError, match=f"no {CONFIG} in"):
        load_peft(folder / "nowhere", config)


# The real package, where it is installed.

TOKENS = np.random.default_rng(0).integers(0, 32, (2, 11))


@pytest.fixture
def torch_logits():
    """torch_logits(model) -> logits of TOKENS."""
    torch = pytest.importorskip("torch")

    def run(model):
        with torch.no_grad():
            return model.eval()(torch.tensor(TOKENS), use_cache=False).logits.float().numpy()

    return run


def torch_base(folder):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype="float32", attn_implementation="eager"
    )


@pytest.mark.parity
@pytest.mark.parametrize("scaling", [alpha_over_rank, alpha_over_sqrt_rank])
@pytest.mark.parametrize("name", ["llama3", "qwen2", "qwen3", "olmo2", "gemma2", "gemma3"])
def test_peft_loads_ours(name, scaling, hub_folder, hub_model, saved, forward, torch_logits):
    peft = pytest.importorskip("peft")
    config, base = hub_model(name)
    lora = everywhere(config, scaling)
    _, adapters, folder = saved(name, lora)
    model = peft.PeftModel.from_pretrained(torch_base(hub_folder(name)), folder)
    logits = forward(config, combine(base, adapters, lora.scale), TOKENS)
    np.testing.assert_allclose(logits, torch_logits(model), atol=2e-4, rtol=1e-4)
    assert np.abs(logits - forward(config, base, TOKENS)).max() > 0.05


@pytest.mark.parity
@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("targets", [["q_proj", "o_proj"], "all-linear", r".*\.(v|up|down)_proj"])
@pytest.mark.parametrize("name", ["llama3", "qwen2", "qwen3", "olmo2", "gemma2", "gemma3"])
def test_we_load_what_peft_writes(
    name, targets, rslora, hub_folder, forward, torch_logits, tmp_path
):
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    asked = peft.LoraConfig(
        r=5,
        lora_alpha=10,
        target_modules=targets,
        use_rslora=rslora,
        lora_dropout=0.1,
        task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(torch_base(hub_folder(name)), asked)
    generator = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        if "lora_" in key:
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(tmp_path)
    config, base = load_hf(hub_folder(name))
    lora, adapters = load_peft(tmp_path, config)
    assert lora.scale == pytest.approx(10 / 5**0.5 if rslora else 2)
    logits = forward(config, combine(base, adapters, lora.scale), TOKENS)
    np.testing.assert_allclose(logits, torch_logits(model), atol=2e-4, rtol=1e-4)
