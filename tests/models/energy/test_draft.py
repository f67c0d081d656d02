"""Drafts are the decoder's own predictions; what a support leaves out stays out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.energy import (
    Thinking,
    draft_logits,
    draw_start,
    encode,
    from_draft,
    think,
    within_support,
)

THINKING = Thinking(steps=2, init_scale=0.1)


def test_a_support_is_kept_and_a_draft_begun_with(make):
    model, params = make("plain")
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 4)))
    draft = jax.jit(draft_logits, static_argnums=0)(model, params, tokens)
    plain = jax.jit(model.decoder.apply)({"params": params["decoder"]}, tokens)
    np.testing.assert_allclose(draft, jax.nn.log_softmax(plain), atol=1e-5)

    start = draw_start(model, THINKING, jax.random.split(jax.random.key(0), 2), 4)
    begun = from_draft(start, draft)
    np.testing.assert_allclose(begun.candidates - start.candidates, draft, atol=1e-5)

    few = within_support(begun, draft, 3)
    run = jax.jit(functools.partial(think, model), static_argnums=3)
    context = jax.jit(encode, static_argnums=0)(model, params, tokens)
    thoughts = run(params, context, few, THINKING)
    probs = np.asarray(jax.nn.softmax(thoughts.candidates))
    assert ((probs > 0).sum(axis=-1) == 3).all() and np.isfinite(thoughts.energies).all()
    likeliest = np.argsort(-np.asarray(draft), axis=-1)[..., :3]
    assert (np.take_along_axis(probs, likeliest, -1) > 0).all()
    moved = np.take_along_axis(np.asarray(thoughts.candidates - few.candidates), likeliest, -1)
    assert (np.abs(moved) > 1e-6).any()
    everything = run(params, context, within_support(begun, draft, 99), THINKING)
    np.testing.assert_allclose(
        everything.candidates, run(params, context, begun, THINKING).candidates, atol=1e-6
    )
    with pytest.raises(ValueError, match="k is 0"):
        within_support(begun, draft, 0)
