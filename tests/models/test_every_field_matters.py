"""No field of a config is ignored: each one changes the logits or the parameters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import (
    MixtureOfExperts,
    ModelConfig,
    RopeScaling,
    abstract_params,
    init_params,
)
from reasoning_jax.models.layers import RMSNorm

CONFIG = ModelConfig(
    vocab_size=32,
    d_model=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=16,
    d_ff=20,
    architecture="gemma3_text",
    max_position=64,
    norm_placement="sandwich",
    norm_eps=3e-3,
    norm_plus_one=True,
    norm_scale_in_float32=True,
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    qk_norm="head",
    activation="gelu",
    rope_theta=300.0,
    rope_local_theta=50.0,
    rope_scaling=RopeScaling("yarn", 4.0, 1024, beta_fast=2.0, beta_slow=0.5, attention_factor=1.2),
    tie_embeddings=True,
    embed_scale=4.0,
    attention_softcap=0.7,
    final_softcap=1.5,
    query_scale=0.6,
    sliding_window=3,
    sliding_layers=(True, False),
)
EXPERTS = MixtureOfExperts(5, 2, 12, shared_d_ff=10)
# What each field is changed to; shapes stay the same.
LOGITS = {
    "norm_eps": 0.1,
    "norm_plus_one": False,
    "activation": "silu",
    "rope_theta": 100.0,
    "rope_local_theta": 500.0,
    "rope_scaling": RopeScaling(),
    "embed_scale": 1.0,
    "attention_softcap": None,
    "final_softcap": None,
    "query_scale": None,
    "sliding_window": 2,
    "sliding_layers": (False, True),
}
PARAMETERS = {
    "vocab_size": 40,
    "d_model": 12,
    "n_layers": 3,
    "n_heads": 2,
    "n_kv_heads": 4,
    "head_dim": 4,
    "d_ff": 24,
    "norm_placement": "pre",
    "qkv_bias": False,
    "out_bias": False,
    "mlp_bias": False,
    "qk_norm": "none",
    "tie_embeddings": False,
    "moe": EXPERTS,
}
ROUNDING = {"norm_scale_in_float32"}  # matters to bfloat16 alone
ELSEWHERE = {"architecture", "max_position"}  # the name of the export, the length at the door
ROPE = {
    "yarn": (
        CONFIG.rope_scaling,
        {
            "kind": "linear",
            "factor": 2.0,
            "original_max_position": 256,
            "beta_fast": 32.0,
            "beta_slow": 0.05,
            "attention_factor": None,
        },
    ),
    "llama3": (
        RopeScaling("llama3", 4.0, 16),
        {"low_freq_factor": 0.5, "high_freq_factor": 8.0},
    ),
}
MOE_LOGITS = {"top_k": 1, "normalize_top_k": True}
MOE_PARAMETERS = {"n_experts": 6, "d_ff": 14, "shared_d_ff": 0}
MOE_ELSEWHERE = {"aux_coef"}  # a term of the loss: tests/models/test_moe.py

TOKENS = np.arange(2, 22).reshape(2, 10)


@pytest.fixture(scope="module")
def logits(forward):
    """logits(config) with parameters of its shape that no initialiser left at 0 or 1."""
    made = {}

    def run(config: ModelConfig) -> np.ndarray:
        shapes = str(abstract_params(config))
        if shapes not in made:
            leaves, tree = jax.tree.flatten(init_params(config, jax.random.key(0)))
            keys = jax.random.split(jax.random.key(1), len(leaves))
            noisy = [
                leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys)
            ]
            made[shapes] = tree.unflatten(noisy)
        return forward(config, made[shapes], TOKENS)

    return run


def assert_logits_change(logits, before: ModelConfig, **change) -> None:
    after = dataclasses.replace(before, **change)
    assert abstract_params(after) == abstract_params(before)
    assert np.abs(logits(after) - logits(before)).max() > 1e-4


def fields(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def test_every_field_has_a_row():
    assert fields(ModelConfig) == LOGITS.keys() | PARAMETERS.keys() | ROUNDING | ELSEWHERE
    assert fields(RopeScaling) == {field for _, changes in ROPE.values() for field in changes}
    assert fields(MixtureOfExperts) == MOE_LOGITS.keys() | MOE_PARAMETERS.keys() | MOE_ELSEWHERE


@pytest.mark.parametrize("field", LOGITS)
def test_a_field_changes_the_logits(field, logits):
    assert_logits_change(logits, CONFIG, **{field: LOGITS[field]})


def test_where_the_scale_of_a_norm_is_multiplied_matters_in_bfloat16():
    x = jax.random.normal(jax.random.key(0), (4, CONFIG.d_model), jnp.bfloat16)
    scale = jax.random.normal(jax.random.key(1), (CONFIG.d_model,))
    in_float32, in_bfloat16 = (
        RMSNorm(dataclasses.replace(CONFIG, norm_plus_one=False, norm_scale_in_float32=flag)).apply(
            {"params": {"scale": scale}}, x
        )
        for flag in (True, False)
    )
    assert jnp.any(in_float32 != in_bfloat16)
    np.testing.assert_allclose(
        np.asarray(in_float32, np.float32), np.asarray(in_bfloat16, np.float32), rtol=0.02
    )


@pytest.mark.parametrize("field", PARAMETERS)
def test_a_field_changes_the_parameters(field):
    after = dataclasses.replace(
        CONFIG,
        **{field: PARAMETERS[field]},
        **({"sliding_layers": ()} if field == "n_layers" else {}),
    )
    assert abstract_params(after) != abstract_params(CONFIG)


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, (_, changes) in ROPE.items() for field in changes]
)
def test_a_field_of_the_rotary_scaling_changes_the_logits(kind, field, logits):
    scaling, changes = ROPE[kind]
    before = dataclasses.replace(CONFIG, rope_scaling=scaling)
    after = dataclasses.replace(scaling, **{field: changes[field]})
    assert_logits_change(logits, before, rope_scaling=after)


@pytest.mark.parametrize("field", MOE_LOGITS)
def test_a_field_of_the_experts_changes_the_logits(field, logits):
    before = dataclasses.replace(CONFIG, moe=EXPERTS)
    after = dataclasses.replace(EXPERTS, **{field: MOE_LOGITS[field]})
    assert_logits_change(logits, before, moe=after)


@pytest.mark.parametrize("field", MOE_PARAMETERS)
def test_a_field_of_the_experts_changes_the_parameters(field):
    before = dataclasses.replace(CONFIG, moe=EXPERTS)
    after = dataclasses.replace(EXPERTS, **{field: MOE_PARAMETERS[field]})
    assert abstract_params(dataclasses.replace(before, moe=after)) != abstract_params(before)
