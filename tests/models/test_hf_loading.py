"""Loading at a size where it matters: memory, time, and files that are not as they should be."""

import json
import pathlib
import shutil
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reasoning_jax.models import load_hf, save_hf
from reasoning_jax.models.hf import hub_leaves
from reasoning_jax.models.hf_config import config_from_hf
from reasoning_jax.parallel import make_mesh

# Qwen2 of 494 million parameters.
HALF_BILLION = {
    "model_type": "qwen2",
    "vocab_size": 151936,
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "max_position_embeddings": 32768,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
}

# Prints the growth of resident memory over that after imports, and both times in seconds.
MEASURE = """
import pathlib, re, sys, time
import jax, jax.numpy as jnp
from reasoning_jax.models import load_hf

def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])

folder, dtype = sys.argv[1:]
jax.block_until_ready(jnp.zeros(8) + 1)
baseline = peak()
start = time.perf_counter()
config, params = load_hf(folder, dtype=jnp.dtype(dtype))
loaded = time.perf_counter() - start
growth = peak() - baseline
size = sum(x.nbytes for x in jax.tree.leaves(params))
del params
from safetensors.numpy import load_file
start = time.perf_counter()
for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
    load_file(path)
print(growth, size, loaded, time.perf_counter() - start)
"""


@pytest.fixture(scope="module")
def half_billion(tmp_path_factory):
    """A folder with random bfloat16 weights in several shards."""
    folder = tmp_path_factory.mktemp("half_billion")
    leaves = jax.tree.leaves(hub_leaves(config_from_hf(HALF_BILLION)))
    shapes = {name: leaf.hub_shape for leaf in leaves for name in leaf.slots}
    noise = np.random.default_rng(0).normal(0, 0.02, 1 << 20).astype(jnp.bfloat16)
    shards = [sorted(shapes)[start::4] for start in range(4)]
    weight_map = {}
    for number, names in enumerate(shards):
        file = f"model-{number + 1:05d}-of-00004.safetensors"
        save_file({name: np.resize(noise, shapes[name]) for name in names}, folder / file)
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(HALF_BILLION))
    yield folder
    shutil.rmtree(folder)  # pytest would keep the gigabyte


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_loading_needs_little_more_memory_than_the_parameters(half_billion, dtype):
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, half_billion, dtype],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, size, loaded, raw = map(float, out.stdout.split())
    print(
        f"{dtype}: {size / 1e9:.2f} GB in {loaded:.1f} s ({raw:.1f} s to read the files alone), "
        f"peak {growth / size:.2f} of the parameters"
    )
    assert size == 494_032_768 * jnp.dtype(dtype).itemsize
    assert growth < 1.3 * size


@pytest.fixture
def edited(hub_folder, tmp_path):
    """edited(family, edit) -> a copy of a hub folder, its tensors changed by ``edit``."""

    def build(family, edit):
        (tmp_path / "config.json").write_bytes((hub_folder(family) / "config.json").read_bytes())
        tensors = load_file(hub_folder(family) / "model.safetensors")
        edit(tensors)
        save_file(tensors, tmp_path / "model.safetensors")
        return tmp_path

    return build


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nan_and_infinity_are_named_once_and_loaded(edited, dtype):
    def spoil(tensors):
        for name in tensors:
            tensors[name] = tensors[name].astype(dtype)
        tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = np.nan
        tensors["model.norm.weight"][0] = -np.inf

    with pytest.warns(UserWarning) as record:
        _, params = load_hf(edited("qwen2", spoil))
    [warning] = record
    assert str(warning.message).startswith("2 tensors in ")
    assert str(warning.message).endswith(
        "so the model will too: model.norm.weight, model.layers.1.mlp.up_proj.weight"
    )
    assert params["final_norm"]["scale"][0] == -np.inf
    assert np.isnan(params["layers"]["block"]["mlp"]["up"]["kernel"][1, 5, 3])


def test_many_bad_tensors_are_counted(edited):
    def spoil(tensors):
        for tensor in tensors.values():
            tensor.flat[0] = np.nan

    with pytest.warns(UserWarning, match=r"^26 tensors in .*, \.\.\.$") as record:
        load_hf(edited("qwen2", spoil))
    assert str(record[0].message).count("model.") == 10


def test_large_finite_values_are_no_cause_for_a_warning(edited):
    def enlarge(tensors):
        for name in tensors:
            tensors[name] = tensors[name].astype(jnp.bfloat16)
            tensors[name].flat[0] = jnp.finfo(jnp.bfloat16).max
            tensors[name].flat[1] = jnp.finfo(jnp.bfloat16).min

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_hf(edited("qwen2", enlarge))


@pytest.mark.parametrize(
    "stored, expected",
    [
        (["bfloat16"], "bfloat16"),
        (["float16"], "float16"),
        (["float64"], "float32"),
        (["float16", "bfloat16"], "float32"),  # holds both exactly
    ],
)
def test_dtype_of_the_files(edited, stored, expected):
    def cast(tensors):
        for i, name in enumerate(tensors):
            tensors[name] = tensors[name].astype(stored[i % len(stored)])
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(2, np.float32)

    _, params = load_hf(edited("qwen2", cast), dtype=None)
    assert {str(x.dtype) for x in jax.tree.leaves(params)} == {expected}


def test_parameters_outlive_a_donation_of_what_devices_share(hub_folder):
    """A CPU device may take over the memory it is given; eight of them then share it."""
    mesh = make_mesh(8)
    _, params = load_hf(hub_folder("qwen2"), mesh)
    expected = jax.tree.map(lambda x: np.asarray(x) + 1, params)
    step = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    params = step(params)
    for x, y in zip(jax.tree.leaves(params), jax.tree.leaves(expected)):
        for shard in x.addressable_shards:
            np.testing.assert_array_equal(np.asarray(shard.data), y)


def test_token_ids_reach_both_configs(hub_model, tmp_path):
    config, params = hub_model("qwen2")
    (tmp_path / "generation_config.json").write_text('{"top_p": 0.8, "bos_token_id": 4}')
    ids = {"bos_token_id": None, "eos_token_id": [2, 3], "pad_token_id": 0}
    save_hf(tmp_path, config, params, token_ids=ids)
    written = json.loads((tmp_path / "config.json").read_text())
    assert {key: written[key] for key in ids} == ids
    assert json.loads((tmp_path / "generation_config.json").read_text()) == {
        "top_p": 0.8,
        "bos_token_id": 4,  # None says nothing
        "eos_token_id": [2, 3],
        "pad_token_id": 0,
    }
    save_hf(tmp_path, config, params)
    assert json.loads((tmp_path / "config.json").read_text())["eos_token_id"] is None


@pytest.mark.parity
def test_generate_of_transformers_ends_at_the_exported_ids(hub_model, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config, params = hub_model("qwen2")
    prompt = torch.tensor([[1, 5, 9]])
    save_hf(tmp_path, config, params)
    free = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).generate(
        prompt, max_new_tokens=6, do_sample=False
    )
    end = int(free[0, 5])
    save_hf(tmp_path, config, params, token_ids={"eos_token_id": [30, end], "pad_token_id": 0})
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    ended = model.generate(prompt, max_new_tokens=6, do_sample=False)[0].tolist()
    first = free[0, 3:].tolist().index(end)
    assert ended == free[0].tolist()[: 3 + first + 1]
    assert model.generation_config.pad_token_id == 0
