"""Eight tiny decoders, one per family, with weights made by a formula under their hub names."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from reasoning_jax.models import Transformer, load_hf
from reasoning_jax.models.hf import hub_leaves
from reasoning_jax.models.hf_config import config_from_hf

_SIZES = {
    "vocab_size": 32,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
}
_WINDOW = {
    "head_dim": 8,
    "tie_word_embeddings": True,
    "query_pre_attn_scalar": 8,
    "sliding_window": 3,
    "layer_types": ["sliding_attention", "full_attention"],
}
_EXPERTS = {
    "tie_word_embeddings": False,
    "rope_theta": 1e6,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
}
FAMILIES = {
    "llama3": {
        "model_type": "llama",
        "head_dim": 4,
        "tie_word_embeddings": False,
        "rms_norm_eps": 1e-5,
        "rope_theta": 5e5,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
    "qwen2": {
        "model_type": "qwen2",
        "head_dim": 4,
        "tie_word_embeddings": True,
        "rope_theta": 1e6,
    },
    "qwen3": {
        "model_type": "qwen3",
        "head_dim": 8,
        "tie_word_embeddings": True,
        "rope_theta": 1e6,
    },
    "olmo2": {
        "model_type": "olmo2",
        "head_dim": 4,
        "tie_word_embeddings": False,
        "rope_theta": 5e5,
    },
    "gemma2": _WINDOW
    | {
        "model_type": "gemma2",
        "rope_theta": 1e4,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    "gemma3": _WINDOW
    | {"model_type": "gemma3_text", "rope_theta": 1e6, "rope_local_base_freq": 1e4},
    "qwen2_moe": _EXPERTS
    | {
        "model_type": "qwen2_moe",
        "head_dim": 4,
        "shared_expert_intermediate_size": 20,
        "norm_topk_prob": False,
    },
    "qwen3_moe": _EXPERTS | {"model_type": "qwen3_moe", "head_dim": 8, "norm_topk_prob": True},
}
FAMILIES = {name: _SIZES | keys for name, keys in FAMILIES.items()}


def formula_weights(data: dict) -> dict[str, np.ndarray]:
    """Hub tensors by the rule of the worked cases.

    Tensor n of the sorted names has s = sin(1.3 (n + 1) + 0.7 k + 0.0011 k²) at flat index k:
    matrices 0.25 s, biases 0.1 s, norms 1 + 0.1 s, or 0.1 s where they mean 1 + w.
    """
    config = config_from_hf(data)
    shapes = {
        name: leaf.hub_shape for leaf in jax.tree.leaves(hub_leaves(config)) for name in leaf.slots
    }
    tensors = {}
    for n, name in enumerate(sorted(shapes)):
        k = np.arange(np.prod(shapes[name]), dtype=np.float64)
        wave = np.sin(1.3 * (n + 1) + 0.7 * k + 0.0011 * k * k).reshape(shapes[name])
        if wave.ndim == 2:
            tensor = 0.25 * wave
        elif name.endswith("bias") or config.norm_plus_one:
            tensor = 0.1 * wave
        else:
            tensor = 1 + 0.1 * wave
        tensors[name] = tensor.astype(np.float32)
    return tensors


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    """Each family in turn."""
    return request.param


@pytest.fixture(scope="session")
def hub_config():
    """hub_config(family) -> its config.json as a dict."""
    return lambda family: json.loads(json.dumps(FAMILIES[family]))


@pytest.fixture(scope="session")
def hub_folder(tmp_path_factory):
    """hub_folder(family) -> a folder as downloaded from the hub; never write to it."""

    @functools.cache
    def build(family: str):
        folder = tmp_path_factory.mktemp(family)
        save_file(formula_weights(FAMILIES[family]), folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(FAMILIES[family]))
        return folder

    return build


@pytest.fixture(scope="session")
def hub_model(hub_folder):
    """hub_model(family) -> (config, params)."""
    return functools.cache(lambda family: load_hf(hub_folder(family)))


@pytest.fixture(scope="session")
def forward():
    """forward(config, params, tokens, **arguments) -> logits as NumPy, run op by op.

    Without jit the eight families share their compiled operations: many small models are then
    several times faster.
    """

    def run(config, params, tokens, **arguments):
        with jax.disable_jit():
            logits = Transformer(config).apply({"params": params}, jnp.asarray(tokens), **arguments)
        return np.asarray(logits)

    return run
