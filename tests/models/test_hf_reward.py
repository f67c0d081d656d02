import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reasoning_jax.models import Transformer, load_hf, param_shardings
from reasoning_jax.models.heads import init_head, row_logits, token_values
from reasoning_jax.models.hf_reward import load_reward_model, save_reward_model
from reasoning_jax.parallel.mesh import make_mesh

SCORE = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)


@pytest.fixture
def reward_folder(hub_folder, tmp_path):
    """A llama as transformers saves its sequence classifier: a score, no lm_head."""
    folder = tmp_path / "reward"
    shutil.copytree(hub_folder("llama3"), folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors | {"score.weight": SCORE}, folder / "model.safetensors")
    data = json.loads((folder / "config.json").read_text())
    data["architectures"] = ["LlamaForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(data))
    return folder


def test_decoder_and_score_are_read(reward_folder, hub_model):
    language_config, language = hub_model("llama3")
    config, params, head = load_reward_model(reward_folder)
    assert config.tie_embeddings and not language_config.tie_embeddings
    assert params.keys() == language.keys() - {"head"}
    jax.tree.map(np.testing.assert_array_equal, params, {k: language[k] for k in params})
    np.testing.assert_array_equal(head["kernel"], SCORE.T)

    tokens = jnp.array([[1, 5, 9, 2], [3, 4, 0, 0]])

    def hidden(config, params):
        return Transformer(config).apply({"params": params}, tokens, method="hidden")

    with jax.disable_jit():
        got = row_logits(head, hidden(config, params), jnp.array([4, 2]))
        states = hidden(language_config, language)
    np.testing.assert_allclose(got, states[[0, 1], [3, 1]] @ SCORE.T, atol=1e-5)


def test_what_is_saved_is_read_again(reward_folder, tmp_path):
    config, params, head = load_reward_model(reward_folder)
    save_reward_model(
        tmp_path / "out", config, params, head, dtype=jnp.bfloat16, token_ids={"pad_token_id": 0}
    )
    data = json.loads((tmp_path / "out/config.json").read_text())
    assert data["architectures"] == ["LlamaForSequenceClassification"]
    assert data["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert data["label2id"]["LABEL_2"] == 2 and data["pad_token_id"] == 0
    again_config, again, again_head = load_reward_model(tmp_path / "out", dtype=None)
    assert again_config == config
    expected = jax.tree.map(lambda x: x.astype(jnp.bfloat16), (params, head))
    jax.tree.map(np.testing.assert_array_equal, (again, again_head), expected)


def test_a_language_model_becomes_a_reward_model(hub_model, tmp_path):
    config, params = hub_model("llama3")
    head = init_head(jax.random.key(0), config.d_model)
    save_reward_model(tmp_path / "out", config, params, head)
    _, again, again_head = load_reward_model(tmp_path / "out")
    np.testing.assert_array_equal(again_head["kernel"], head["kernel"])
    assert "head" in params and "head" not in again


def test_a_head_with_a_bias_is_that_of_tokens(reward_folder, tmp_path):
    config, params, head = load_reward_model(reward_folder)
    head = head | {"bias": np.arange(3, dtype=np.float32)}
    save_reward_model(tmp_path / "out", config, params, head)
    data = json.loads((tmp_path / "out/config.json").read_text())
    assert data["architectures"] == ["LlamaForTokenClassification"]
    _, again, again_head = load_reward_model(tmp_path / "out", make_mesh(2, 2, 2))
    jax.tree.map(np.testing.assert_array_equal, (again, again_head), (params, head))
    assert again_head["bias"].sharding.is_fully_replicated


def test_over_a_mesh_the_head_is_whole_on_every_device(reward_folder):
    mesh = make_mesh(2, 2, 2)
    config, params, head = load_reward_model(reward_folder, mesh)
    assert jax.tree.map(lambda x: x.sharding, params) == param_shardings(config, mesh)
    assert head["kernel"].sharding.is_fully_replicated
    assert len(head["kernel"].sharding.device_set) == 8


def test_other_folders_are_refused(hub_folder, reward_folder, tmp_path):
    with pytest.raises(ValueError, match=r"without a matrix score\.weight.*load_hf"):
        load_reward_model(hub_folder("llama3"))
    with pytest.raises(ValueError, match=r"unexpected: score\.weight"):
        load_hf(reward_folder)
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_reward_model(tmp_path)
    config, params, head = load_reward_model(reward_folder)
    with pytest.raises(ValueError, match=r"'kernel'.*\(15, 3\), expected \(16, 3\)"):
        save_reward_model(tmp_path / "out", config, params, {"kernel": head["kernel"][:15]})
    assert not pathlib.Path(tmp_path / "out").exists()


@pytest.mark.parity
def test_values_of_tokens_equal_those_of_transformers(hub_model, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config, params = hub_model("qwen2")
    head = init_head(jax.random.key(0), config.d_model) | {"bias": np.array([0.5], np.float32)}
    save_reward_model(tmp_path, config, params, head)
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, (2, 6))
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        expected = model(torch.tensor(tokens)).logits.numpy()[:, :, 0]
    config, params, head = load_reward_model(tmp_path)
    hidden = Transformer(config).apply({"params": params}, tokens, method="hidden")
    np.testing.assert_allclose(token_values(head, hidden), expected, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("n_labels", [1, 2, 3])
@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_logits_equal_those_of_transformers(name, n_labels, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(
        name,
        vocab_size=40,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=20,
        max_position_embeddings=64,
        pad_token_id=0,
        num_labels=n_labels,
    )
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(tmp_path / "theirs")
    lengths = np.array([7, 4, 1])
    tokens = np.random.default_rng(0).integers(1, 40, (3, 7))
    tokens[np.arange(7) >= lengths[:, None]] = 0

    def torch_logits(folder):
        loaded = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
        mask = torch.tensor(np.arange(7) < lengths[:, None])
        with torch.no_grad():
            return loaded(torch.tensor(tokens), attention_mask=mask).logits.numpy()

    expected = torch_logits(tmp_path / "theirs")
    assert expected.shape == (3, n_labels)
    config, params, head = load_reward_model(tmp_path / "theirs")
    hidden = Transformer(config).apply({"params": params}, tokens, method="hidden")
    np.testing.assert_allclose(row_logits(head, hidden, lengths), expected, atol=1e-4)
    save_reward_model(tmp_path / "ours", config, params, head, token_ids={"pad_token_id": 0})
    np.testing.assert_allclose(torch_logits(tmp_path / "ours"), expected, atol=1e-5)
