"""What is trained, and the parameters that come of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.models import (
    LoraConfig,
    Transformer,
    combine,
    init_lora,
    init_params,
    merge,
    param_shardings,
    preset,
    token_logprobs,
    with_dropout,
)
from reasoning_jax.models.lora import projections
from reasoning_jax.parallel import make_mesh, put_batch
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.training.state import create_state
from reasoning_jax.training.step import make_update
from reasoning_jax.training.trainable import adapters, all_parameters

CONFIG = preset("nano", 16, {"d_model": 16, "n_layers": 2, "head_dim": 4, "d_ff": 24})
LORA = LoraConfig(rank=2, alpha=4.0)
THINNED = LoraConfig(rank=2, alpha=4.0, dropout=0.5)
TOKENS = np.random.default_rng(0).integers(0, 16, (4, 8), dtype=np.int32)


@pytest.fixture(scope="module")
def one_device():
    return make_mesh(devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def base():
    return init_params(CONFIG, jax.random.key(0))


@pytest.fixture(scope="module")
def trained():
    """Adapters of which nothing is zero."""
    fresh = init_lora(CONFIG, LORA, jax.random.key(1))
    return jax.tree.map(lambda x: x + 0.1, fresh)


def logprobs(params, mesh=None, **options):
    model = Transformer(CONFIG, mesh, **options)
    return jax.jit(lambda params: token_logprobs(model, params, TOKENS).logprobs)(params)


def update(trainable, state, frozen, micro_batches=1):
    step = make_update(
        trainable,
        optax.sgd(0.1),
        prepare=lambda batch: batch | {"weights": token_mean(batch["tokens"] >= 0)},
        loss=lambda params, batch: (
            weighted_sum(
                -token_logprobs(Transformer(CONFIG), params, batch["tokens"]).logprobs,
                batch["weights"],
            ),
            None,
        ),
        report=lambda batch, _: {},
        micro_batches=micro_batches,
    )
    return step(state, put_batch({"tokens": TOKENS}, trainable.mesh), frozen)


def test_all_parameters_are_their_own(base, one_device):
    trainable = all_parameters(CONFIG, one_device)
    assert trainable.assemble(base, None) is base
    assert trainable.assemble_update(base, None, jnp.int32(0)) is base
    assert trainable.merge(base, None) is base


def test_adapters_are_laid_over_the_frozen_base(base, trained, one_device):
    trainable = adapters(CONFIG, LORA, one_device)
    expected = logprobs(combine(base, trained, LORA.scale))
    np.testing.assert_array_equal(logprobs(trainable.assemble(trained, base)), expected)
    np.testing.assert_array_equal(
        logprobs(trainable.assemble_update(trained, base, jnp.int32(3))), expected
    )
    merged = jax.tree.leaves(trainable.merge(trained, base))
    for got, wanted in zip(merged, jax.tree.leaves(merge(base, trained, LORA.scale))):
        np.testing.assert_array_equal(got, wanted)


def test_an_update_moves_adapters_as_the_gradient_says_and_the_base_not(base, trained, one_device):
    trainable = adapters(CONFIG, LORA, one_device)
    before = jax.tree.map(np.array, base)

    def loss(trained):
        scores = token_logprobs(Transformer(CONFIG), combine(base, trained, LORA.scale), TOKENS)
        return -scores.logprobs.mean()

    value, gradient = jax.value_and_grad(loss)(trained)
    for micro_batches in (1, 2):
        state = create_state(trainable, jax.tree.map(jnp.copy, trained), optax.sgd(0.1))
        state, metrics = update(trainable, state, base, micro_batches)
        assert float(metrics["loss"]) == pytest.approx(float(value), abs=1e-6)
        for new, old, slope in zip(
            *map(jax.tree.leaves, (state.params, trained, gradient)), strict=True
        ):
            np.testing.assert_allclose(new, old - 0.1 * slope, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, base, before)


def test_dropout_thins_updates_alone_and_anew_at_every_step(base, trained, one_device):
    trainable = adapters(CONFIG, THINNED, one_device, seed=5)
    whole = logprobs(combine(base, trained, LORA.scale))
    np.testing.assert_array_equal(logprobs(trainable.assemble(trained, base)), whole)

    def thinned(step, seed=5):
        other = adapters(CONFIG, THINNED, one_device, seed)
        return logprobs(other.assemble_update(trained, base, jnp.int32(step)))

    np.testing.assert_array_equal(thinned(0), thinned(0))
    for other in (whole, thinned(1), thinned(0, seed=6)):
        assert np.abs(thinned(0) - other).max() > 1e-3
    # What an update sees is what its gradient is of.
    state = create_state(trainable, jax.tree.map(jnp.copy, trained), optax.sgd(0.1))
    _, metrics = update(trainable, state, base)
    assert float(metrics["loss"]) == pytest.approx(-float(thinned(0).mean()), abs=1e-6)


def test_dropout_is_unbiased_and_keeps_the_kernel_whole():
    """One projection by hand: x A is scaled by 1 / (1 - rate) where kept, so its mean stays."""
    x, rate = jnp.ones((1, 1, 16)), 0.25
    config = preset("nano", 16, {"d_model": 16, "n_layers": 1, "n_heads": 1, "n_kv_heads": 1})
    lora = LoraConfig(rank=1, alpha=1.0, targets=("attention/q",))
    base = init_params(config, jax.random.key(0))
    pair = init_lora(config, lora, jax.random.key(1))
    q = pair["layers"]["block"]["attention"]["q"]
    ones = {"layers": {"block": {"attention": {"q": jax.tree.map(jnp.ones_like, q)}}}}
    projection = projections(config)["attention/q"]

    @jax.jit
    def low_rank(key):
        params = with_dropout(combine(base, ones, 1.0), rate, key)
        layer = jax.tree.map(lambda p: p[0], params["layers"]["block"]["attention"]["q"])
        plain = projection.apply({"params": {"kernel": layer["kernel"]}}, x)
        return (projection.apply({"params": layer}, x) - plain)[0, 0, 0, 0]

    draws = np.array([low_rank(key) for key in jax.random.split(jax.random.key(2), 300)])
    kept = draws * (1 - rate)
    np.testing.assert_allclose(kept, np.round(kept), atol=1e-4)  # 0 to 16 of the inputs
    assert draws.mean() == pytest.approx(16, abs=4 * np.sqrt(16 * rate / (1 - rate) / 300))


@pytest.mark.parametrize("options", [{"remat": True}, {"unroll": 2}])
def test_how_the_layers_run_does_not_change_the_masks(base, trained, options):
    params = with_dropout(combine(base, trained, LORA.scale), 0.5, jax.random.key(3))
    np.testing.assert_allclose(logprobs(params, **options), logprobs(params), atol=1e-5)


def test_a_mesh_does_not_change_the_masks(base, trained):
    mesh = make_mesh(2, 2, 2)
    params = with_dropout(combine(base, trained, LORA.scale), 0.5, jax.random.key(3))
    split = jax.device_put(base, param_shardings(CONFIG, mesh))
    over_mesh = with_dropout(combine(split, trained, LORA.scale), 0.5, jax.random.key(3))
    np.testing.assert_allclose(logprobs(over_mesh, mesh), logprobs(params), atol=1e-5)
