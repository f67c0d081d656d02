import dataclasses
import json

import pytest

from reasoning_jax.models import MixtureOfExperts, ModelConfig, RopeScaling, preset
from reasoning_jax.models.hf_config import FAMILIES, config_from_hf, config_to_hf


def test_round_trip_of_every_family(family, hub_config):
    config = config_from_hf(hub_config(family))
    assert config_from_hf(json.loads(json.dumps(config_to_hf(config)))) == config


@pytest.mark.parametrize("name", FAMILIES)
def test_round_trip_of_the_class_defaults(name):
    config = config_from_hf({"model_type": name})
    data = config_to_hf(config)
    assert data["architectures"] == [FAMILIES[name].model_class]
    assert config_from_hf(data) == config


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("llama", {"qkv_bias": True, "out_bias": True, "mlp_bias": True, "activation": "gelu"}),
        ("llama", {"rope_scaling": RopeScaling("linear", 4.0), "tie_embeddings": True}),
        ("llama", {"rope_scaling": RopeScaling("llama3", 32.0, 8192, 1.5, 5.0)}),
        ("qwen2", {"sliding_window": 7, "sliding_layers": (True, False, True, False)}),
        ("qwen2", {"rope_scaling": RopeScaling("yarn", 4.0, 100, attention_factor=1.5)}),
        ("qwen3", {"rope_scaling": RopeScaling("yarn", 4.0, 100, beta_fast=16, beta_slow=2)}),
        ("mistral", {"sliding_window": 7, "sliding_layers": (True,) * 4}),
        ("mistral", {"sliding_window": None, "sliding_layers": ()}),
        ("qwen3_moe", {"sliding_window": 7, "sliding_layers": (True,) * 4}),
        ("gemma2", {"attention_softcap": None, "final_softcap": None, "query_scale": 144**-0.5}),
        ("gemma2", {"sliding_window": None, "sliding_layers": ()}),
        ("gemma3_text", {"rope_local_theta": 5e3, "rope_scaling": RopeScaling("linear", 8.0)}),
        ("gemma3_text", {"final_softcap": 20.0, "tie_embeddings": False}),
        ("qwen2_moe", {"moe": MixtureOfExperts(8, 3, 10, True, 12, 0.01), "qkv_bias": False}),
    ],
    ids=str,
)
def test_round_trip_off_the_defaults(name, change):
    config = config_from_hf({"model_type": name, "num_hidden_layers": 4})
    config = dataclasses.replace(config, **change)
    assert config_from_hf(json.loads(json.dumps(config_to_hf(config)))) == config


def test_presets_are_expressible():
    config = preset("mini", 64)
    assert config_from_hf(config_to_hf(config)) == config


def test_what_an_architecture_cannot_express_is_named():
    config = dataclasses.replace(preset("mini", 64), qk_norm="head", out_bias=True)
    with pytest.raises(ValueError, match="'llama' cannot express") as error:
        config_to_hf(config)
    assert "qk_norm = 'head' (would be read as 'none')" in str(error.value)
    assert "qkv_bias = False (would be read as True)" in str(error.value)


def test_llama_with_one_kind_of_attention_bias_is_refused():
    # attention_bias stands for the biases of q, k, v and o at once.
    with pytest.raises(ValueError, match="qkv_bias = True"):
        config_to_hf(dataclasses.replace(preset("mini", 64), qkv_bias=True))


def test_experts_on_a_dense_architecture_are_refused():
    config = dataclasses.replace(preset("mini", 64), moe=MixtureOfExperts(4, 2, 8))
    with pytest.raises(ValueError, match="cannot express moe"):
        config_to_hf(config)


def test_llama_3_1():
    config = config_from_hf(
        {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "max_position_embeddings": 131072,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "num_key_value_heads": 8,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            "rope_theta": 500000.0,
            "vocab_size": 128256,
        }
    )
    assert config == ModelConfig(
        architecture="llama",
        vocab_size=128256,
        d_model=4096,
        n_layers=32,
        n_heads=32,
        n_kv_heads=8,
        head_dim=128,
        d_ff=14336,
        max_position=131072,
        norm_eps=1e-5,
        rope_theta=5e5,
        rope_scaling=RopeScaling("llama3", 8.0, 8192, 1.0, 4.0),
        tie_embeddings=False,
    )


def test_gemma_3_multimodal_relies_on_class_defaults():
    config = config_from_hf(
        {
            "model_type": "gemma3",
            "text_config": {
                "hidden_size": 2560,
                "intermediate_size": 10240,
                "model_type": "gemma3_text",
                "num_hidden_layers": 34,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                "sliding_window": 1024,
            },
            "vision_config": {"hidden_size": 1152},
        }
    )
    assert config == ModelConfig(
        architecture="gemma3_text",
        vocab_size=262208,
        d_model=2560,
        n_layers=34,
        n_heads=8,
        n_kv_heads=4,
        head_dim=256,
        d_ff=10240,
        max_position=131072,
        norm_placement="sandwich",
        norm_plus_one=True,
        norm_scale_in_float32=True,
        qk_norm="head",
        activation="gelu_tanh",
        rope_theta=1e6,
        rope_local_theta=1e4,
        rope_scaling=RopeScaling("linear", 8.0),
        tie_embeddings=True,
        embed_scale=2560**0.5,
        query_scale=1 / 16,
        sliding_window=1024,
        # five local layers, then a global one; 34 = 5 · 6 + 4
        sliding_layers=((True,) * 5 + (False,)) * 5 + (True,) * 4,
    )


def test_rope_parameters_of_transformers_5_equal_the_older_keys():
    base = {"model_type": "qwen3", "max_position_embeddings": 4096}
    old = {"rope_theta": 1e6, "rope_scaling": {"type": "yarn", "factor": 4.0}}
    new = {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0}}
    config = config_from_hf(base | new)
    assert config == config_from_hf(base | old)
    assert config.rope_theta == 1e6
    assert config.rope_scaling == RopeScaling("yarn", 4.0, original_max_position=4096)


def test_rope_parameters_per_layer_type_of_gemma_3():
    config = config_from_hf(
        {
            "model_type": "gemma3_text",
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 3e4},
            },
        }
    )
    assert (config.rope_theta, config.rope_local_theta) == (2e6, 3e4)
    assert config.rope_scaling == RopeScaling("linear", 8.0)


def test_yarn_attention_factor_from_mscale():
    # (0.1 · 0.707 · ln 40 + 1) / (0.1 · 1.0 · ln 40 + 1) = 1.2608027 / 1.3688879 = 0.9210416
    rope = {"rope_type": "yarn", "factor": 40.0, "mscale": 0.707, "mscale_all_dim": 1.0}
    config = config_from_hf({"model_type": "llama", "rope_scaling": rope})
    assert config.rope_scaling.attention_factor == pytest.approx(0.9210416, abs=1e-6)


@pytest.mark.parametrize(
    ("keys", "layers"),
    [
        ({"model_type": "qwen2", "sliding_window": 8, "max_window_layers": 2}, ""),
        ({"model_type": "qwen2", "use_sliding_window": True, "max_window_layers": 2}, "ffss"),
        ({"model_type": "qwen3", "use_sliding_window": True, "max_window_layers": 1}, "fsss"),
        ({"model_type": "qwen2_moe", "use_sliding_window": True, "max_window_layers": 3}, "sfsf"),
        ({"model_type": "qwen3_moe", "use_sliding_window": True}, "ssss"),
        ({"model_type": "qwen3_moe"}, ""),
        ({"model_type": "mistral"}, "ssss"),
        ({"model_type": "mistral", "sliding_window": None}, ""),
        ({"model_type": "gemma2"}, "sfsf"),
        ({"model_type": "gemma3_text", "sliding_window_pattern": 3}, "ssfs"),
        ({"model_type": "llama", "sliding_window": 8}, ""),
    ],
    ids=str,
)
def test_which_layers_slide(keys, layers):
    config = config_from_hf({"num_hidden_layers": 4, **keys})
    assert config.sliding_layers == tuple(letter == "s" for letter in layers)
    assert (config.sliding_window is None) == (layers == "")


def test_layer_types_win_over_the_rule():
    types = ["full_attention", "sliding_attention"]
    keys = {"model_type": "gemma2", "num_hidden_layers": 2, "layer_types": types}
    assert config_from_hf(keys).sliding_layers == (False, True)


def test_head_dim_and_key_value_heads_default_to_the_sizes():
    keys = {"model_type": "llama", "hidden_size": 48, "num_attention_heads": 6}
    config = config_from_hf(keys)
    assert (config.head_dim, config.n_kv_heads) == (8, 6)
    assert config_from_hf(keys | {"head_dim": 16}).head_dim == 16
    assert config_from_hf({"model_type": "qwen3", "hidden_size": 1024}).head_dim == 128


def test_both_names_of_the_number_of_experts():
    for key in ("num_experts", "num_local_experts"):
        assert config_from_hf({"model_type": "qwen3_moe", key: 16}).moe.n_experts == 16


def test_unknown_architecture_lists_the_supported_ones():
    with pytest.raises(ValueError, match=r"'gpt2' is not supported; supported: llama, mistral"):
        config_from_hf({"model_type": "gpt2"})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model_type": "llama", "hidden_act": "relu6"}, "hidden_act = 'relu6'"),
        ({"model_type": "llama", "hidden_size": "16"}, "hidden_size = '16'"),
        ({"model_type": "llama", "hidden_size": 16.5}, r"hidden_size = 16\.5"),
        ({"model_type": "llama", "attention_bias": 1}, "attention_bias = 1"),
        ({"model_type": "llama", "rope_scaling": {"type": "dynamic", "factor": 2}}, "'dynamic'"),
        ({"model_type": "llama", "rope_scaling": {"type": "linear"}}, "has no 'factor'"),
        ({"model_type": "llama", "partial_rotary_factor": 0.5}, r"partial_rotary_factor = 0\.5"),
        (
            {"model_type": "llama", "rope_parameters": {"full_attention": {"rope_theta": 1.0}}},
            "rope_parameters",
        ),
        (
            {
                "model_type": "llama",
                "rope_scaling": {"type": "yarn", "factor": 2, "truncate": False},
            },
            "truncate = False",
        ),
        (
            {"model_type": "gemma3_text", "rope_parameters": {"rope_theta": 1.0}},
            "expected full_attention and sliding_attention",
        ),
        ({"model_type": "gemma2", "use_bidirectional_attention": True}, "use_bidirectional"),
        ({"model_type": "qwen2_moe", "decoder_sparse_step": 2}, "decoder_sparse_step = 2"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": [0]}, r"mlp_only_layers = \[0\]"),
        (
            {"model_type": "gemma2", "num_hidden_layers": 1, "layer_types": ["chunked_attention"]},
            "layer_types = 'chunked_attention'",
        ),
        ({"model_type": "gemma2", "layer_types": ["full_attention"]}, "expected 26 entries"),
        (
            {
                "model_type": "qwen2",
                "num_hidden_layers": 1,
                "layer_types": ["sliding_attention"],
                "use_sliding_window": False,
            },
            "sliding_window = None",
        ),
    ],
    ids=str,
)
def test_unsupported_values_are_named(keys, message):
    with pytest.raises(ValueError, match=message):
        config_from_hf(keys)
