import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from reasoning_jax.models import Transformer, count_params, param_shardings, token_logprobs
from reasoning_jax.models.config import MixtureOfExperts, ModelConfig
from reasoning_jax.models.layers import Projection
from reasoning_jax.models.lora import (
    LoraConfig,
    abstract_lora,
    alpha_over_sqrt_rank,
    combine,
    init_lora,
    lora_shardings,
    merge,
    projections,
)
from reasoning_jax.models.parameters import abstract_params
from reasoning_jax.models.transformer import decode_step, prefill, unstack_layers
from reasoning_jax.parallel.mesh import make_mesh
from reasoning_jax.sampling import Sampler, SamplingParams
from reasoning_jax.text import load_tokenizer

SMALL = ModelConfig(
    vocab_size=16,
    d_model=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=4,
    d_ff=24,
    tie_embeddings=False,
    qkv_bias=True,
)
SMALL_MOE = dataclasses.replace(SMALL, moe=MixtureOfExperts(4, 2, 12, True, shared_d_ff=8))
LORA = LoraConfig(rank=3, alpha=4.5)
TOKENS = [[1, 5, 9, 2, 30, 7]]


def everywhere(config):
    """Adapters of rank 3 and scale 1.5 on every projection."""
    return dataclasses.replace(LORA, targets=tuple(projections(config)))


def randomly(shapes, seed, deviation):
    """Normal numbers in every leaf; made without compiling anything."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(deviation * rng.normal(size=leaf.shape), jnp.float32), shapes
    )


@pytest.fixture(scope="module")
def model():
    """(base, adapters, batch) of SMALL, no leaf of them zero."""
    base = randomly(abstract_params(SMALL), 0, 0.3)
    adapters = randomly(abstract_lora(SMALL, LORA), 1, 0.3)
    return base, adapters, jnp.asarray(np.random.default_rng(2).integers(0, 16, (4, 8)))


def loss_of(transformer):
    """The loss of (adapters, base, tokens) that a stage would differentiate."""

    def loss(adapters, base, tokens):
        params = combine(base, adapters, LORA.scale)
        logprobs, entropy, _ = token_logprobs(transformer, params, tokens)
        return jnp.mean(logprobs) + 0.1 * jnp.mean(entropy)

    return loss


@pytest.fixture(scope="module")
def reference(model):
    """(loss, gradient) on one device."""
    base, adapters, tokens = model
    return jax.jit(jax.value_and_grad(loss_of(Transformer(SMALL))))(adapters, base, tokens)


def assert_close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol), a, b)


def test_a_projection_by_hand():
    # x W = (1, 2)·(3, 4) = 11, x A = (1, 2)·(5, 6) = 17, so 11 + 0.5 * 17 * 2 + 1 = 29.
    params = {
        "kernel": jnp.array([[3.0], [4.0]]),
        "bias": jnp.array([1.0]),
        "lora_a": jnp.array([[5.0], [6.0]]),
        "lora_b": jnp.array([[2.0]]),
        "lora_scale": jnp.float32(0.5),
    }
    projection = Projection((2,), (1,), ("embed", None), use_bias=True)
    assert projection.apply({"params": params}, jnp.array([[1.0, 2.0]])) == 29


def test_scales():
    assert LoraConfig(rank=16, alpha=8).scale == 0.5
    assert LoraConfig(rank=16, alpha=8, scaling=alpha_over_sqrt_rank).scale == 2


def test_projections_are_everything_but_experts_embedding_and_head():
    dense = projections(SMALL)
    assert sorted(dense) == [
        *("attention/k", "attention/o", "attention/q", "attention/v"),
        *("mlp/down", "mlp/gate", "mlp/up"),
    ]
    assert (dense["attention/o"].inputs, dense["attention/o"].outputs) == ((4, 4), (16,))
    assert sorted(set(projections(SMALL_MOE)) - set(dense)) == [
        *("moe/router", "moe/shared/down", "moe/shared/gate", "moe/shared/up", "moe/shared_gate"),
    ]


@pytest.mark.parametrize("pattern", ["moe/gate", "mlp/*", "head", "attention"])
def test_a_target_that_is_no_projection_is_refused(pattern):
    lora = LoraConfig(targets=("attention/q", pattern))
    with pytest.raises(ValueError, match=f"'{pattern.replace('*', '.')}' matches none of .*router"):
        init_lora(SMALL_MOE, lora, jax.random.key(0))


def test_impossible_configs_are_refused():
    with pytest.raises(ValueError, match="rank is 0"):
        LoraConfig(rank=0)
    with pytest.raises(ValueError, match="targets are empty"):
        LoraConfig(targets=())
    with pytest.raises(ValueError, match="dropout is 1"):
        LoraConfig(dropout=1.0)


def test_initial_adapters():
    adapters = init_lora(
        SMALL, LoraConfig(rank=64, targets=("attention/o", "mlp/*")), jax.random.key(0)
    )
    block = adapters["layers"]["block"]
    assert block.keys() == {"attention", "mlp"} and block["attention"].keys() == {"o"}
    pairs = {"o": block["attention"]["o"], **block["mlp"]}
    shapes = {name: (p["lora_a"].shape, p["lora_b"].shape) for name, p in pairs.items()}
    assert shapes == {
        "o": ((2, 4, 4, 64), (2, 64, 16)),
        "gate": ((2, 16, 64), (2, 64, 24)),
        "up": ((2, 16, 64), (2, 64, 24)),
        "down": ((2, 24, 64), (2, 64, 16)),
    }
    for name, fan_in in {"o": 16, "gate": 16, "up": 16, "down": 24}.items():
        # Thousands of uniform numbers within ±b: the largest is near b, the deviation b / sqrt 3.
        bound, a = fan_in**-0.5, pairs[name]["lora_a"]
        assert 0.99 * bound < jnp.abs(a).max() <= bound
        assert float(a.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not pairs[name]["lora_b"].any()
    a, b = pairs["gate"]["lora_a"], pairs["up"]["lora_a"]
    assert (a != b).any() and (a[0] != a[1]).any()
    # Rank 3: q and o (16 + 16), k and v (16 + 8), three of the MLP (16 + 24), in two layers.
    assert count_params(abstract_lora(SMALL, LORA)) == 2 * 3 * (2 * 32 + 2 * 24 + 3 * 40)


def test_initial_adapters_do_not_depend_on_the_mesh():
    mesh = make_mesh(2, 2, 2)
    split = init_lora(SMALL, LORA, jax.random.key(0), mesh)
    shardings = lora_shardings(SMALL, LORA, mesh)
    assert jax.tree.map(lambda x: x.sharding, split) == shardings
    assert_close(split, init_lora(SMALL, LORA, jax.random.key(0)), atol=1e-6)
    attention = shardings["layers"]["block"]["attention"]
    specs = {
        name: (attention[name]["lora_a"].spec, attention[name]["lora_b"].spec) for name in "qo"
    }
    assert specs == {
        "q": (P(None, "fsdp", None), P(None, None, "tensor", None)),
        "o": (P(None, "tensor", None, None), P(None, None, "fsdp")),
    }


def test_fresh_adapters_change_no_bit_and_merged_ones_equal_adapters(family, hub_model, forward):
    config, base = hub_model(family)
    lora = everywhere(config)
    adapters = randomly(abstract_lora(config, lora), 3, 0.1)
    fresh = jax.tree_util.tree_map_with_path(
        lambda path, x: jnp.zeros_like(x) if path[-1].key == "lora_b" else x, adapters
    )
    plain = forward(config, base, TOKENS)
    np.testing.assert_array_equal(forward(config, combine(base, fresh, lora.scale), TOKENS), plain)
    adapted = forward(config, combine(base, adapters, lora.scale), TOKENS)
    merged = merge(base, adapters, lora.scale)
    assert jax.tree.structure(merged) == jax.tree.structure(base)
    np.testing.assert_allclose(forward(config, merged, TOKENS), adapted, atol=1e-5)
    assert np.abs(adapted - plain).max() > 0.05


def test_every_pair_of_adapters_changes_the_logits(model):
    base, adapters, tokens = model
    logits = jax.jit(
        lambda adapters: Transformer(SMALL).apply(
            {"params": combine(base, adapters, LORA.scale)}, tokens
        )
    )
    whole = logits(adapters)
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(adapters)]
    assert len(paths) == 14
    for path in paths:
        without = jax.tree_util.tree_map_with_path(
            lambda own, x, path=path: jnp.zeros_like(x) if own == path else x, adapters
        )
        assert jnp.abs(logits(without) - whole).max() > 1e-3, path


def test_combining_copies_nothing_and_leaves_the_base_alone(model):
    base, adapters, _ = model
    combined = combine(base, adapters, LORA.scale)
    pairs = jax.tree_util.tree_leaves_with_path(combined)
    kept = {id(leaf) for leaf in jax.tree.leaves((base, adapters))}
    fresh = {path[-1].key for path, leaf in pairs if id(leaf) not in kept}
    assert fresh == {"lora_scale"}
    assert "lora_a" not in base["layers"]["block"]["attention"]["q"]
    merged = merge(jax.tree.map(lambda x: x.astype(jnp.bfloat16), base), adapters, LORA.scale)
    assert {leaf.dtype for leaf in jax.tree.leaves(merged)} == {jnp.dtype(jnp.bfloat16)}


def test_adapters_of_another_model_are_refused(model):
    base, _, _ = model
    lora = LoraConfig(targets=("moe/router",))
    adapters = init_lora(SMALL_MOE, lora, jax.random.key(0))
    for function in (combine, merge):
        with pytest.raises(ValueError, match=r"adapters for \['moe'\] do not fit"):
            function(base, adapters, lora.scale)


@pytest.mark.parametrize("name", ["qwen3", "gemma2", "qwen2_moe"])
def test_prefill_and_decode_equal_the_full_forward(name, hub_model):
    config, base = hub_model(name)
    lora = everywhere(config)
    params = combine(base, randomly(abstract_lora(config, lora), 3, 0.1), lora.scale)
    model, tokens = Transformer(config), jnp.array(TOKENS)
    whole = jax.jit(model.apply)({"params": params}, tokens)[0]
    start, columns = 4, np.arange(6)
    caches, logits = jax.jit(prefill, static_argnums=(0, 4))(
        model, params, tokens[:, :start], jnp.ones((1, start), jnp.int32), len(columns)
    )
    np.testing.assert_allclose(logits[0], whole[start - 1], atol=1e-5)
    layers, step = unstack_layers(params, config.n_layers), jax.jit(decode_step, static_argnums=0)
    for column in columns[start:]:
        caches, logits = step(
            model,
            params,
            layers,
            caches,
            tokens[:, column],
            jnp.array([column]),
            column,
            jnp.asarray(columns[None] <= column),
        )
        np.testing.assert_allclose(logits[0], whole[column], atol=1e-5)


def test_the_sampler_reports_the_logprobs_of_the_adapted_model(model):
    base, adapters, _ = model
    tokenizer = load_tokenizer("char:abcdefgh")
    mesh = make_mesh(2, 2, 2)
    sharded = combine(
        jax.device_put(base, param_shardings(SMALL, mesh)),
        jax.device_put(adapters, lora_shardings(SMALL, LORA, mesh)),
        LORA.scale,
    )
    prompt, sampling = [3, 5, 4], SamplingParams(max_tokens=6)
    out = Sampler(SMALL, sharded, tokenizer, mesh).generate([prompt], sampling)[0][0]

    def logprobs(params):
        scores = token_logprobs(Transformer(SMALL), params, jnp.array([[*prompt, *out.tokens]]))
        return np.asarray(scores.logprobs[0, len(prompt) :])

    expected = logprobs(combine(base, adapters, LORA.scale))
    np.testing.assert_allclose(out.logprobs, expected, atol=1e-5)
    assert np.abs(expected - logprobs(base)).max() > 0.01


def test_the_gradient_follows_the_chain_rule(model, reference):
    base, adapters, tokens = model
    _, gradient = reference
    assert jax.tree.structure(gradient) == jax.tree.structure(adapters)

    def merged_loss(params):
        logprobs, entropy, _ = token_logprobs(Transformer(SMALL), params, tokens)
        return jnp.mean(logprobs) + 0.1 * jnp.mean(entropy)

    kernels = jax.jit(jax.grad(merged_loss))(merge(base, adapters, LORA.scale))
    # d/dA = scale G B^T and d/dB = scale A^T G, where G is the gradient of W + scale A B.
    for room, names in {"attention": "qkvo", "mlp": ("gate", "up", "down")}.items():
        for name in names:
            g, pair, got = (
                tree["layers"]["block"][room][name] for tree in (kernels, adapters, gradient)
            )
            g, a, b = g["kernel"], pair["lora_a"], pair["lora_b"]
            layers, rank = a.shape[0], LORA.rank
            a, b = a.reshape(layers, -1, rank), b.reshape(layers, rank, -1)
            g = g.reshape(layers, a.shape[1], b.shape[2])
            expected = {
                "lora_a": LORA.scale * jnp.einsum("lio,lro->lir", g, b),
                "lora_b": LORA.scale * jnp.einsum("lir,lio->lro", a, g),
            }
            for own, value in expected.items():
                np.testing.assert_allclose(
                    got[own].reshape(value.shape), value, atol=1e-5, err_msg=f"{name} {own}"
                )


def test_the_gradient_is_a_finite_difference(model, reference):
    base, adapters, tokens = model
    _, gradient = reference
    direction = randomly(abstract_lora(SMALL, LORA), 4, 1.0)
    loss = jax.jit(loss_of(Transformer(SMALL)))
    slope = sum(
        np.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction))
    )
    size = 1e-3

    def moved(by):
        return loss(jax.tree.map(lambda x, d: x + by * d, adapters, direction), base, tokens)

    difference = float(moved(size) - moved(-size)) / (2 * size)
    assert difference == pytest.approx(float(slope), rel=1e-2)


@pytest.mark.parametrize("options", [{"remat": True}, {"unroll": 2}], ids=str)
def test_how_the_layers_run_changes_nothing(model, reference, options):
    base, adapters, tokens = model
    step = jax.jit(jax.value_and_grad(loss_of(Transformer(SMALL, **options))))
    assert_close(step(adapters, base, tokens), reference, atol=1e-6)


def test_a_mesh_changes_nothing(model, reference):
    base, adapters, tokens = model
    mesh = make_mesh(2, 2, 2)
    whole, split = param_shardings(SMALL, mesh), lora_shardings(SMALL, LORA, mesh)
    sharded = jax.device_put(adapters, split), jax.device_put(base, whole)
    step = jax.jit(
        jax.value_and_grad(loss_of(Transformer(SMALL, mesh))), out_shardings=(None, split)
    )
    assert_close(step(*sharded, tokens), reference)
    merged = jax.jit(merge, static_argnums=2, out_shardings=whole)(*sharded[::-1], LORA.scale)
    assert_close(merged, merge(base, adapters, LORA.scale), atol=1e-6)


def test_training_moves_the_adapters_alone(model):
    base, _, tokens = model
    before = jax.tree.map(np.array, base)
    adapters = initial = init_lora(SMALL, LORA, jax.random.key(0))
    optimizer = optax.adamw(3e-2)

    @jax.jit
    def step(adapters, opt_state, base):
        def loss(adapters):
            params = combine(base, adapters, LORA.scale)
            return -jnp.mean(token_logprobs(Transformer(SMALL), params, tokens).logprobs)

        value, gradient = jax.value_and_grad(loss)(adapters)
        updates, opt_state = optimizer.update(gradient, opt_state, adapters)
        return optax.apply_updates(adapters, updates), opt_state, value

    opt_state, losses = optimizer.init(adapters), []
    for _ in range(20):
        adapters, opt_state, value = step(adapters, opt_state, base)
        losses.append(float(value))
    # What is learnt and its two moments, and nothing of the size of the base.
    assert count_params(opt_state) == 2 * count_params(adapters) + 1
    assert losses[-1] < 0.8 * losses[0]
    for old, new in zip(jax.tree.leaves(initial), jax.tree.leaves(adapters)):
        assert (old != new).all()
    jax.tree.map(np.testing.assert_array_equal, base, before)


def test_bfloat16_computation_rounds_the_scaled_product_once():
    # 1/3 is not a bfloat16: x A = 3 times it is exactly 1 only when scaled in float32.
    params = {
        "kernel": jnp.zeros((1, 1)),
        "lora_a": jnp.array([[3.0]]),
        "lora_b": jnp.array([[1.0]]),
        "lora_scale": jnp.float32(1 / 3),
    }
    y = Projection((1,), (1,), (None, None)).apply(
        {"params": params}, jnp.array([[1.0]], jnp.bfloat16)
    )
    assert y.dtype == jnp.bfloat16 and y == 1
