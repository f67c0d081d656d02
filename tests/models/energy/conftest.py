"""Tiny energy models, and arithmetic in float64 throughout."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from reasoning_jax.models import ModelConfig, Transformer
from reasoning_jax.models.energy import EnergyModel, attention, init_energy_params

PLAIN = ModelConfig(
    vocab_size=11, d_model=16, n_layers=2, n_heads=4, n_kv_heads=2, head_dim=4, d_ff=24
)
# Everything a decoder may have that attention of candidates must know of.
CONFIGS = {
    "plain": PLAIN,
    "sliding": dataclasses.replace(
        PLAIN,
        norm_placement="sandwich",
        qk_norm="head",
        embed_scale=4.0,
        attention_softcap=2.0,
        query_scale=0.7,
        sliding_window=3,
        sliding_layers=(True, False),
        rope_local_theta=100.0,
    ),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """A few tokens are several blocks, the last of them short."""
    monkeypatch.setattr(attention, "BLOCK", 3)


@pytest.fixture
def float64(monkeypatch):
    """Statistics are float32 by name; with the name standing for float64 nothing is rounded."""
    monkeypatch.setattr(jnp, "float32", jnp.float64)
    with jax.enable_x64(True):
        yield


@pytest.fixture
def make():
    """make(name, dtype, ...) -> (EnergyModel, params) whose landscapes differ."""

    def build(name="plain", dtype=jnp.float32, landscapes=2, step_size=5.0, **options):
        config = CONFIGS[name]
        attention = options.pop("attention", "xla")
        conditioning = options.pop("conditioning", "candidate")
        decoder = Transformer(config, dtype=dtype, **options)
        model = EnergyModel(decoder, attention, landscapes, conditioning)
        params = init_energy_params(
            config, jax.random.key(0), landscapes=landscapes, step_size=step_size
        )
        shape = (landscapes, config.d_model)
        params["landscape_embedding"] = 0.3 * jax.random.normal(jax.random.key(1), shape)
        # Embeddings that matter, so that no test passes for want of a signal.
        params["decoder"]["embedding"] = params["decoder"]["embedding"] * 20
        return model, jax.tree.map(lambda p: p.astype(dtype), params)

    return build
