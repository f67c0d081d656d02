"""Curves of thinking are those of ``think``; choices among starts those of a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.energy import (
    EnergyBatch,
    Thinking,
    choose_among_starts,
    draw_start,
    encode,
    think,
    thinking_curve,
)

THINKING = Thinking(steps=3, init_scale=1.0)


@pytest.mark.slow
def test_curves_and_choices_are_those_of_a_loop(make):
    model, params = make()
    rng = np.random.default_rng(0)
    tokens, targets = rng.integers(0, 11, (2, 2, 5))
    real = np.arange(5) < np.array([5, 3])[:, None]
    batch = EnergyBatch(
        *(jnp.asarray(x) for x in (tokens, targets, real.astype(np.float32), real.astype(int)))
    )
    keys = jax.random.split(jax.random.key(0), 2)
    context = encode(model, params, batch.tokens, batch.segment_ids)

    @jax.jit
    def after(keys, steps):
        start = draw_start(model, THINKING, keys, 5)
        start = start._replace(n_steps=jnp.full(2, steps), step_scales=0.5 * start.step_scales)
        thoughts = think(model, params, context, start, THINKING)
        return start.candidates, thoughts.candidates, thoughts.energies[-1]

    def nll(logits):
        logprobs = np.asarray(jax.nn.log_softmax(logits))
        return np.where(real, -np.take_along_axis(logprobs, targets[:, :, None], -1)[..., 0], 0)

    per_start = []
    for m in range(3):
        of_start = jax.vmap(jax.random.fold_in, (0, None))(keys, m)
        begun, kept, energy = after(of_start, 2)
        per_start.append((nll(kept), np.asarray(energy), np.asarray(kept), nll(kept - begun)))
    losses, energies, logits, changes = (np.stack(x) for x in zip(*per_start))

    curve = jax.jit(
        lambda params: thinking_curve(
            model, params, batch, jax.vmap(jax.random.fold_in, (0, None))(keys, 1), THINKING, 2, 0.5
        )
    )(params)
    np.testing.assert_allclose(curve.nll[2], losses[1], atol=1e-5)
    np.testing.assert_allclose(curve.candidates, logits[1], atol=1e-4)
    choice = jax.jit(
        lambda params: choose_among_starts(model, params, batch, keys, THINKING, 2, 3, 0.5)
    )(params)
    np.testing.assert_allclose(choice.nll[2], losses.sum() / 3, rtol=1e-5)
    np.testing.assert_allclose(choice.mean, nll(logits.mean(axis=0)).sum(), rtol=1e-5)
    np.testing.assert_allclose(choice.change, changes.sum() / 3, rtol=1e-5)
    # Energies of steps are those of their own landscape; after two steps that is the last one.
    best = np.take_along_axis(losses, energies.argmin(axis=0)[None], 0)[0]
    np.testing.assert_allclose(choice.best, best.sum(), rtol=1e-5)
    e, l = energies[0][real], losses[0][real]
    moments = [e.sum(), l.sum(), (e * e).sum(), (l * l).sum(), (e * l).sum()]
    np.testing.assert_allclose(choice.moments, moments, rtol=1e-4)
