"""The same folders through transformers and torch, where these are installed."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import (
    Transformer,
    load_hf,
    save_hf,
    token_logprobs,
    token_logprobs_and_balance,
)
from reasoning_jax.models.hf_config import FAMILIES, ONLY_VALUE

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

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
    ("mistral", dict(sliding_window=None, rope_scaling=LINEAR, tie_word_embeddings=True)),
    (
        "qwen2",
        dict(
            SLIDING,
            max_window_layers=1,
            rope_theta=300.0,
            tie_word_embeddings=True,
            hidden_act="gelu",
        ),
    ),
    ("qwen2", dict(SLIDING, layer_types=TYPES, rope_scaling=YARN | dict(attention_factor=1.3))),
    ("qwen3", dict(SLIDING, max_window_layers=2, attention_bias=True, rope_theta=300.0)),
    (
        "qwen3",
        dict(
            SLIDING,
            layer_types=TYPES,
            hidden_act="gelu",
            tie_word_embeddings=True,
            rope_scaling=YARN | dict(mscale=0.7, mscale_all_dim=1.1),
        ),
    ),
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
    (
        "gemma2",
        dict(layer_types=TYPES, sliding_window=3, attn_logit_softcapping=None, rope_scaling=LINEAR),
    ),
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
            hidden_activation="gelu",
            tie_word_embeddings=False,
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
        dict(
            EXPERTS,
            **SLIDING,
            layer_types=TYPES,
            shared_expert_intermediate_size=6,
            rope_scaling=LINEAR,
            tie_word_embeddings=True,
            router_aux_loss_coef=0.02,
            hidden_act="gelu",
        ),
    ),
    ("qwen3_moe", dict(EXPERTS, **SLIDING, attention_bias=True, norm_topk_prob=True)),
    (
        "qwen3_moe",
        dict(
            EXPERTS,
            **SLIDING,
            layer_types=TYPES,
            max_window_layers=3,
            tie_word_embeddings=True,
            router_aux_loss_coef=0.02,
            rope_scaling=LLAMA3,
            rope_theta=300.0,
            hidden_act="gelu",
        ),
    ),
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


def error(got: np.ndarray, expected: np.ndarray) -> float:
    """Norm of the difference, relative."""
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def typical_error(got: np.ndarray, expected: np.ndarray) -> float:
    """The median over tokens of the relative error of their logits."""
    sizes = np.linalg.norm(expected, axis=-1)
    return np.median(np.linalg.norm(got - expected, axis=-1) / sizes)


def test_every_key_of_every_family_is_off_its_default_in_some_row():
    assert {name for name, _ in MODELS} == set(FAMILIES)
    for name, family in FAMILIES.items():
        rows = [SIZES | keys for model, keys in MODELS if model == name]
        still = {
            key
            for key, default in family.defaults.items()
            if key not in ONLY_VALUE and all(row.get(key, default) == default for row in rows)
        }
        assert not still, f"{name}: {sorted(still)} are at their defaults in every row"


def test_load_hf_gives_the_logits_of_transformers(folder, forward):
    config, params = load_hf(folder)
    logits, expected = forward(config, params, TOKENS), torch_logits(torch_model(folder))
    assert error(logits, expected) < 2e-6
    assert np.abs(logits - expected).max() < 2e-5 * np.abs(expected).max()


def test_gradients_with_respect_to_the_embedding_are_those_of_transformers(folder):
    model = torch_model(folder)
    logits = model(torch.tensor(TOKENS), use_cache=False).logits[:, :-1]
    torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), torch.tensor(TOKENS[:, 1:]).reshape(-1)
    ).backward()
    config, params = load_hf(folder)

    def loss(embedding: jax.Array) -> jax.Array:
        scores = token_logprobs(
            Transformer(config), params | {"embedding": embedding}, jnp.asarray(TOKENS)
        )
        return -scores.logprobs[:, 1:].mean()

    expected = model.get_input_embeddings().weight.grad.numpy()
    assert error(np.asarray(jax.grad(loss)(params["embedding"])), expected) < 2e-5


def test_the_balancing_loss_of_mixtures_is_that_of_transformers(folder):
    config, params = load_hf(folder)
    if config.moe is None:
        pytest.skip("no experts")
    with torch.no_grad():
        expected = torch_model(folder)(torch.tensor(TOKENS), output_router_logits=True).aux_loss
    mask = jnp.ones(TOKENS.shape, bool)
    _, balance = token_logprobs_and_balance(Transformer(config), params, jnp.asarray(TOKENS), mask)
    assert float(balance) == pytest.approx(float(expected), rel=1e-5)


def test_loading_and_saving_keeps_every_bit(folder, tmp_path):
    save_hf(tmp_path / "ours", *load_hf(folder))
    ours, theirs = torch_model(tmp_path / "ours").state_dict(), torch_model(folder).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


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
    expected = torch_logits(torch_model(folder))
    assert error(torch_logits(torch_model(tmp_path / "ours")), expected) < 2e-6


def test_bfloat16_folder_is_read_by_both(folder, tmp_path, forward):
    config, params = load_hf(folder)
    save_hf(tmp_path / "ours", config, params, dtype=jnp.bfloat16)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert model.dtype == torch.bfloat16
    config, params = load_hf(tmp_path / "ours")
    expected = torch_logits(model.to(torch.float32))
    np.testing.assert_allclose(forward(config, params, TOKENS), expected, atol=3e-2, rtol=3e-2)


def test_bfloat16_computation_is_as_close_to_float32_as_that_of_transformers(folder, tmp_path):
    config, params = load_hf(folder)
    save_hf(tmp_path / "ours", config, params, dtype=jnp.bfloat16)
    exact = torch_logits(torch_model(tmp_path / "ours"))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", attn_implementation="eager"
    ).eval()
    assert theirs.dtype == torch.bfloat16
    with torch.no_grad():
        theirs = theirs(torch.tensor(TOKENS), use_cache=False).logits.float().numpy()
    config, params = load_hf(tmp_path / "ours", dtype=None)
    model = Transformer(config, dtype=jnp.bfloat16)
    ours = np.asarray(model.apply({"params": params}, jnp.asarray(TOKENS)))

    # Rounding errors of one size, in the middle of the tokens: rounded, a router may choose another
    # expert for a few.
    assert typical_error(ours, exact) < 1.6 * typical_error(theirs, exact)
