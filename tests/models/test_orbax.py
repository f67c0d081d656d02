import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import load_model, load_orbax, param_shardings, save_hf, save_orbax
from reasoning_jax.parallel import make_mesh


def assert_bit_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.fixture(params=["qwen2", "qwen2_moe"])
def model(request, hub_model):
    """A dense and a mixture-of-experts model in bfloat16."""
    config, params = hub_model(request.param)
    return config, jax.tree.map(lambda x: x.astype(jnp.bfloat16), params)


def test_round_trip_is_bit_equal(model, tmp_path):
    config, params = model
    save_orbax(tmp_path, config, params, token_ids={"eos_token_id": 3})
    again, params_again = load_orbax(tmp_path, dtype=None)
    assert again == config
    assert_bit_equal(params_again, params)
    data = json.loads((tmp_path / "config.json").read_text())
    assert (data["torch_dtype"], data["eos_token_id"]) == ("bfloat16", 3)


def test_load_onto_a_mesh_in_another_dtype(model, tmp_path):
    config, params = model
    save_orbax(tmp_path, config, params)
    mesh = make_mesh(2, 2, 2)
    _, again = load_orbax(tmp_path, mesh)
    assert jax.tree.map(lambda x: x.sharding, again) == param_shardings(config, mesh)
    assert any(not x.sharding.is_fully_replicated for x in jax.tree.leaves(again))
    assert_bit_equal(again, jax.tree.map(lambda x: x.astype(jnp.float32), params))


def test_load_model_reads_both_layouts(model, tmp_path):
    config, params = model
    save_orbax(tmp_path / "orbax", config, params)
    save_hf(tmp_path / "hf", config, params)
    for layout in ("orbax", "hf"):
        again, params_again = load_model(tmp_path / layout, dtype=None)
        assert again == config
        assert_bit_equal(params_again, params)


@pytest.mark.parametrize(
    "change, detail",
    [
        ({"tie_word_embeddings": False}, r"\['head'\]: None, expected \(16, 32\)"),
        ({"vocab_size": 48}, r"\['embedding'\]: \(32, 16\), expected \(48, 16\)"),
    ],
)
def test_parameters_that_do_not_fit_the_config(change, detail, hub_model, tmp_path):
    save_orbax(tmp_path, *hub_model("qwen2"))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=rf"params cannot be read .*{detail}.* convert the model"):
        load_orbax(tmp_path)


def test_damaged_parameters(hub_model, tmp_path):
    save_orbax(tmp_path, *hub_model("qwen2"))
    path = tmp_path / "params" / "_METADATA"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"params cannot be read .* it is damaged"):
        load_orbax(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json in .*nowhere"):
        load_orbax(tmp_path / "nowhere")
