"""The same folders through transformers and torch, where these are installed."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import load_hf, save_hf
from reasoning_jax.models.hf_config import FAMILIES

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow

TOKENS = np.random.default_rng(0).integers(0, 40, (2, 13))

SIZES = dict(
    vocab_size=40,
    hidden_size=24,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=20,
    head_dim=10,
    max_position_embeddings=64,
    rms_norm_eps=3e-3,
    pad_token_id=None,
)
EXPERTS = dict(num_experts=5, num_experts_per_tok=3, moe_intermediate_size=16)
LLAMA3 = dict(
    rope_type="llama3",
    factor=6.0,
    low_freq_factor=1.5,
    high_freq_factor=3.0,
    original_max_position_embeddings=24,
)
YARN = dict(
    rope_type="yarn",
    factor=4.0,
    original_max_position_embeddings=16,
    beta_fast=2.0,
    beta_slow=0.5,
)
LINEAR = dict(rope_type="linear", factor=3.0)
SLIDING = dict(use_sliding_window=True, sliding_window=4)
TYPES = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]

# Every key that an architecture reads, away from its default, in one of its rows.
MODELS = [
    ("llama", dict(attention_bias=True, mlp_bias=True, hidden_act="gelu", rope_scaling=LLAMA3)),
    ("llama", dict(tie_word_embeddings=True, rope_theta=300.0, rope_scaling=YARN)),
    ("mistral", dict(sliding_window=4, rope_theta=300.0, hidden_act="gelu_new")),
    ("mistral", dict(sliding_window=None, rope_scaling=LINEAR)),
    ("qwen2", dict(SLIDING, max_window_layers=1, rope_theta=300.0, tie_word_embeddings=True)),
    ("qwen2", dict(SLIDING, layer_types=TYPES, rope_scaling=YARN | dict(attention_factor=1.3))),
    ("qwen3", dict(SLIDING, max_window_layers=2, attention_bias=True, rope_theta=300.0)),
    ("qwen3", dict(rope_scaling=YARN | dict(mscale=0.7, mscale_all_dim=1.1))),
    ("olmo2", dict(attention_bias=True, rope_theta=300.0, hidden_act="gelu_pytorch_tanh")),
    ("olmo2", dict(tie_word_embeddings=True, rope_scaling=LINEAR)),
    (
        "gemma2",
        dict(
            sliding_window=4,
            query_pre_attn_scalar=5,
            attn_logit_softcapping=0.7,
            final_logit_softcapping=1.5,
            attention_bias=True,
            hidden_activation="silu",
            tie_word_embeddings=False,
            rope_theta=300.0,
        ),
    ),
    ("gemma2", dict(layer_types=TYPES, sliding_window=3, attn_logit_softcapping=None)),
    (
        "gemma3_text",
        dict(
            sliding_window=4,
            sliding_window_pattern=2,
            query_pre_attn_scalar=5,
            final_logit_softcapping=1.5,
            attention_bias=True,
            rope_theta=3000.0,
            rope_local_base_freq=50.0,
            rope_scaling=LINEAR,
        ),
    ),
    (
        "gemma3_text",
        dict(
            layer_types=TYPES,
            sliding_window=3,
            rope_parameters=dict(
                full_attention=YARN | dict(rope_theta=700.0),
                sliding_attention=dict(rope_type="default", rope_theta=70.0),
            ),
        ),
    ),
    (
        "qwen2_moe",
        dict(
            EXPERTS,
            **SLIDING,
            max_window_layers=3,
            shared_expert_intermediate_size=18,
            qkv_bias=False,
            norm_topk_prob=True,
            rope_theta=300.0,
        ),
    ),
    (
        "qwen2_moe",
        dict(EXPERTS, shared_expert_intermediate_size=6, tie_word_embeddings=True),
    ),
    ("qwen3_moe", dict(EXPERTS, **SLIDING, attention_bias=True, norm_topk_prob=True)),
    ("qwen3_moe", dict(EXPERTS, rope_scaling=LLAMA3, hidden_act="gelu")),
]


def torch_logits(model) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor(TOKENS), use_cache=False).logits.numpy()


def torch_model(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()


@pytest.fixture(params=MODELS, ids=lambda row: row[0])
def folder(request, tmp_path):
    """A folder as save_pretrained writes it, with random weights everywhere."""
    name, keys = request.param
    config = transformers.AutoConfig.for_model(name, **{**SIZES, **keys})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(tmp_path / "torch")
    return tmp_path / "torch"


def test_every_family_has_a_row():
    assert {name for name, _ in MODELS} == set(FAMILIES)


def test_load_hf_gives_the_logits_of_transformers(folder, forward):
    config, params = load_hf(folder)
    np.testing.assert_allclose(
        forward(config, params, TOKENS), torch_logits(torch_model(folder)), atol=2e-4, rtol=1e-4
    )


def test_older_rope_keys_give_the_same_model(folder):
    new = json.loads((folder / "config.json").read_text())
    config, params = load_hf(folder)
    save_hf(folder, config, params)
    old = json.loads((folder / "config.json").read_text())
    assert "rope_parameters" in new and "rope_parameters" not in old
    assert load_hf(folder)[0] == config


def test_transformers_loads_what_save_hf_writes(folder, tmp_path):
    config, params = load_hf(folder)
    save_hf(tmp_path / "ours", config, params, max_shard_bytes=20_000)
    np.testing.assert_allclose(
        torch_logits(torch_model(tmp_path / "ours")),
        torch_logits(torch_model(folder)),
        atol=1e-5,
        rtol=1e-5,
    )


def test_bfloat16_folder_is_read_by_both(folder, tmp_path, forward):
    config, params = load_hf(folder)
    save_hf(tmp_path / "ours", config, params, dtype=jnp.bfloat16)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert model.dtype == torch.bfloat16
    config, params = load_hf(tmp_path / "ours")
    expected = torch_logits(model.to(torch.float32))
    np.testing.assert_allclose(forward(config, params, TOKENS), expected, atol=3e-2, rtol=3e-2)
