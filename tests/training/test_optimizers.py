"""AdamW against NumPy, its clip, and what decays of a stacked decoder."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.models import MixtureOfExperts, abstract_params, preset
from reasoning_jax.training.optimizers import (
    adamw,
    decay_all,
    decay_all_but_embeddings,
    decay_kernels,
)


@pytest.fixture(scope="module")
def params():
    """Shapes of a decoder that has every kind of parameter, layers stacked."""
    overrides = {"qk_norm": "head", "qkv_bias": True, "tie_embeddings": False}
    return abstract_params(preset("nano", 32, overrides))


def names(mask, value):
    """Last names of the leaves where a mask has this value."""
    leaves = jax.tree_util.tree_leaves_with_path(mask)
    return {path[-1].key for path, leaf in leaves if leaf is value}


def test_decay_kernels_leaves_norms_biases_and_the_embedding(params):
    mask = decay_kernels(params)
    assert names(mask, True) == {"kernel", "head"}
    assert names(mask, False) == {"scale", "bias", "embedding"}
    # Stacked over layers a norm scale has two axes: the name tells, not the rank.
    block = mask["layers"]["block"]
    assert params["layers"]["block"]["attention_norm"]["scale"].ndim == 2
    assert block["attention_norm"]["scale"] is False
    assert block["attention"]["q_norm"]["scale"] is False
    assert block["mlp"]["down"]["kernel"] is True


def test_decay_kernels_decays_experts():
    moe = MixtureOfExperts(n_experts=4, top_k=2, d_ff=16)
    mask = decay_kernels(abstract_params(preset("nano", 32, {"moe": moe})))
    experts = mask["layers"]["block"]["moe"]
    assert experts["gate"] is experts["up"] is experts["down"] is True
    assert experts["router"]["kernel"] is True


def test_decay_all_but_embeddings(params):
    mask = decay_all_but_embeddings(params)
    assert names(mask, True) == {"kernel", "head", "scale", "bias"}
    assert names(mask, False) == {"embedding"}


def test_decay_all(params):
    assert names(decay_all(params), False) == set()
    assert jax.tree.structure(decay_all(params)) == jax.tree.structure(params)


def one_step(params, grads, **options):
    optimizer = adamw(optax.constant_schedule(0.1), **options)
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    return optax.apply_updates(params, updates)


def test_two_steps_against_numpy():
    rng = np.random.default_rng(0)

    def draw(scale):
        return {"kernel": scale * rng.normal(size=(3, 2)), "bias": scale * rng.normal(size=2)}

    params, grads = draw(1.0), [draw(0.1), draw(0.1)]
    b1, b2, eps, decay = 0.8, 0.9, 1e-3, 0.3
    rates = [0.1, 0.05]
    optimizer = adamw(
        lambda step: jnp.asarray(rates)[step],
        b1=b1,
        b2=b2,
        eps=eps,
        weight_decay=decay,
        decay_mask=decay_kernels,
        clip_norm=100.0,
    )
    ours = jax.tree.map(jnp.asarray, params)
    state = optimizer.init(ours)
    mean = jax.tree.map(np.zeros_like, params)
    square = jax.tree.map(np.zeros_like, params)
    for step, (rate, grad) in enumerate(zip(rates, grads), start=1):
        updates, state = optimizer.update(jax.tree.map(jnp.asarray, grad), state, ours)
        ours = optax.apply_updates(ours, updates)
        for name in params:
            mean[name] = b1 * mean[name] + (1 - b1) * grad[name]
            square[name] = b2 * square[name] + (1 - b2) * grad[name] ** 2
            direction = mean[name] / (1 - b1**step)
            direction /= np.sqrt(square[name] / (1 - b2**step)) + eps
            if name == "kernel":
                direction += decay * params[name]
            params[name] = params[name] - rate * direction
    for name in params:
        np.testing.assert_allclose(ours[name], params[name], atol=1e-6)


def test_without_a_mask_everything_decays_and_without_decay_nothing():
    params = {"kernel": jnp.ones(2), "embedding": jnp.ones(2)}
    zeros = jax.tree.map(jnp.zeros_like, params)
    decayed = one_step(params, zeros, weight_decay=0.5)
    for value in decayed.values():
        np.testing.assert_allclose(value, 1 - 0.1 * 0.5)
    for value in one_step(params, zeros).values():
        np.testing.assert_array_equal(value, 1)


def test_the_global_norm_is_clipped():
    params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
    # With a large eps Adam's step is g / eps: -0.1 (3, 4) / eps, scaled by 2.5 / 5 if clipped.
    grads = {"a": jnp.array([3.0]), "b": jnp.array([4.0])}
    for clip_norm, factor in ((2.5, 0.5), (5.0, 1.0), (100.0, 1.0)):
        moved = one_step(params, grads, eps=1e6, clip_norm=clip_norm)
        np.testing.assert_allclose(moved["a"], -0.1 * 3 * factor / 1e6, rtol=1e-4)
        np.testing.assert_allclose(moved["b"], -0.1 * 4 * factor / 1e6, rtol=1e-4)
