import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import (
    Transformer,
    init_params,
    token_logprobs,
    token_logprobs_and_balance,
)
from reasoning_jax.models.config import MixtureOfExperts, ModelConfig
from reasoning_jax.models.moe import MoE, load_balance_loss
from reasoning_jax.parallel import make_mesh, put_batch

CONFIG = ModelConfig(
    vocab_size=8,
    d_model=6,
    n_layers=1,
    n_heads=2,
    n_kv_heads=1,
    head_dim=4,
    d_ff=8,
    moe=MixtureOfExperts(n_experts=5, top_k=2, d_ff=7),
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu_mlp(x, gate, up, down):
    g = x @ gate
    return (g * sigmoid(g) * (x @ up)) @ down


def dense_reference(params, moe, x):
    """Every expert on every token, weighted by the router; loops over tokens."""
    params = jax.tree.map(lambda p: np.asarray(p, np.float64), params)
    out = np.zeros_like(x)
    for row, token in enumerate(x):
        scores = token @ params["router"]["kernel"]
        probs = np.exp(scores) / np.exp(scores).sum()
        chosen = np.argsort(-probs)[: moe.top_k]
        total = probs[chosen].sum() if moe.normalize_top_k else 1.0
        for e in chosen:
            mlp = silu_mlp(token, params["gate"][e], params["up"][e], params["down"][e])
            out[row] += probs[e] / total * mlp
        if moe.shared_d_ff:
            kernels = (params["shared"][name]["kernel"] for name in ("gate", "up", "down"))
            gate = sigmoid(token @ params["shared_gate"]["kernel"])
            out[row] += gate * silu_mlp(token, *kernels)
    return out


@pytest.mark.parametrize(
    "change", [{}, {"normalize_top_k": True}, {"shared_d_ff": 9}, {"top_k": 5}], ids=str
)
def test_ragged_products_equal_a_dense_reference(change):
    config = dataclasses.replace(CONFIG, moe=dataclasses.replace(CONFIG.moe, **change))
    x = np.asarray(jax.random.normal(jax.random.key(0), (3, 4, 6)))
    params = jax.tree.map(
        lambda box: box.unbox() * 2,
        MoE(config).init(jax.random.key(1), x)["params"],
        is_leaf=lambda p: hasattr(p, "unbox"),
    )
    y = MoE(config).apply({"params": params}, x)
    expected = dense_reference(params, config.moe, x.reshape(12, 6).astype(np.float64))
    np.testing.assert_allclose(y.reshape(12, 6), expected, atol=1e-5)


def boxless(config, x):
    return jax.tree.map(
        lambda box: box.unbox(),
        MoE(config).init(jax.random.key(1), x)["params"],
        is_leaf=lambda p: hasattr(p, "unbox"),
    )


@pytest.mark.parametrize(
    "sizes", [(8, 1, 1, 1), (2, 1, 1, 4), (1, 1, 7, 1), (1, 2, 1, 2), (3, 1, 1, 2)]
)
def test_values_and_gradients_over_meshes_of_tokens_experts_and_width(sizes):
    config = dataclasses.replace(CONFIG, moe=MixtureOfExperts(n_experts=4, top_k=2, d_ff=7))
    x, slope = jax.random.normal(jax.random.key(0), (2, 8, 4, 6))
    params = boxless(config, x)

    def loss(mesh):
        def of(params, x):
            return jnp.sum(slope * MoE(config, mesh).apply({"params": params}, x))

        return jax.jit(jax.value_and_grad(of, argnums=(0, 1)))(params, x)

    mesh = make_mesh(*sizes, devices=jax.devices()[: int(np.prod(sizes))])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), loss(mesh), loss(None))


def test_no_token_leaves_its_device_but_along_the_expert_axis():
    x = jnp.zeros((8, 4, 6))
    params = boxless(CONFIG, x)

    def collectives(mesh) -> set[str]:
        apply = jax.jit(lambda params, x: MoE(CONFIG, mesh).apply({"params": params}, x))
        text = apply.lower(params, put_batch(x, mesh)).compile().as_text()
        return {
            name
            for name in ("all-gather", "all-reduce", "all-to-all", "collective-permute")
            if f" {name}(" in text or f" {name}-start(" in text
        }

    assert collectives(make_mesh(8)) == set()
    assert "all-gather" in collectives(make_mesh(2, 1, 1, 4))


def test_balance_loss_by_hand():
    # Picks of the two kept tokens: {0, 1} and {3, 2}, so f = (1/2, 1/2, 1/2, 1/2);
    # over all three, with {1, 0}: f = (2/3, 2/3, 1/3, 1/3),
    # P = (0.85, 0.95, 0.65, 0.55) / 3; 4 (2/3 · 0.6 + 1/3 · 0.4) = 2.1333333
    probs = jnp.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4], [0.25, 0.45, 0.2, 0.1]])
    assert float(load_balance_loss(probs, 2, jnp.ones(3, bool))) == pytest.approx(2.1333333333)
    # Without the last: 4 · 1/2 · sum(P) = 2, the balanced value k.
    mask = jnp.array([True, True, False])
    assert float(load_balance_loss(probs, 2, mask)) == pytest.approx(2.0)


def test_balance_loss_ignores_padding_even_nan():
    probs = jnp.array([[0.6, 0.4], [jnp.nan, jnp.nan]])
    # One token, k = 1: f = (1, 0), P = (0.6, 0.4): 2 · 0.6
    loss = lambda p: load_balance_loss(p, 1, jnp.array([True, False]))  # noqa: E731
    assert float(loss(probs)) == pytest.approx(1.2)
    np.testing.assert_allclose(jax.grad(loss)(probs), [[2.0, 0.0], [0.0, 0.0]])


def test_balance_of_a_model_counts_all_layers_and_the_masked_tokens():
    config = dataclasses.replace(CONFIG, n_layers=3)
    params = init_params(config, jax.random.key(0))
    model, tokens = Transformer(config), jnp.arange(12).reshape(2, 6) % 8
    mask = jnp.array([[True] * 6, [True] * 4 + [False] * 2])
    scores, balance = token_logprobs_and_balance(model, params, tokens, mask)
    _, sown = model.apply({"params": params}, tokens, mutable="intermediates")
    (probs,) = sown["intermediates"]["layers"]["block"]["moe"]["router_probs"]
    seen = np.asarray(probs, np.float64)[:, np.asarray(mask)].reshape(-1, 5)  # 3 layers, 10 tokens
    assert seen.shape == (30, 5)
    picks = np.zeros(5)
    for row in seen:
        picks[np.argsort(-row)[:2]] += 1
    assert float(balance) == pytest.approx(5 * np.sum(picks / 30 * seen.mean(axis=0)), rel=1e-5)
    np.testing.assert_allclose(
        scores.logprobs, token_logprobs(model, params, tokens).logprobs, atol=1e-6
    )
    dense = dataclasses.replace(CONFIG, moe=None)
    params = init_params(dense, jax.random.key(0))
    assert token_logprobs_and_balance(Transformer(dense), params, tokens, mask)[1] == 0


def test_router_probabilities_are_reported():
    x = jax.random.normal(jax.random.key(0), (2, 3, 6))
    variables = MoE(CONFIG).init(jax.random.key(1), x)
    _, state = MoE(CONFIG).apply({"params": variables["params"]}, x, mutable="intermediates")
    (probs,) = state["intermediates"]["router_probs"]
    assert probs.shape == (2, 3, 5)
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-6)
