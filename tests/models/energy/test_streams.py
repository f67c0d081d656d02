"""Energies by two streams are those of one sequence of twice the length."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import ModelConfig, Transformer
from reasoning_jax.models.energy import (
    EnergyModel,
    candidate_energy,
    embed_candidates,
    encode,
    energy,
)
from reasoning_jax.models.transformer import Block, rope_tables, select, unstack_layers

LENGTH = 7

energies = jax.jit(energy, static_argnums=0)
energies_at = jax.jit(
    lambda model, params, tokens, candidates, steps: candidate_energy(
        model, params, encode(model, params, tokens), candidates, steps
    ),
    static_argnums=0,
)


def draw(model, rows=2, length=LENGTH):
    rng = np.random.default_rng(0)
    v = model.decoder.config.vocab_size
    tokens = jnp.asarray(rng.integers(0, v, (rows, length)))
    return tokens, jnp.asarray(2 * rng.normal(size=(rows, length, v)), model.decoder.dtype)


@functools.partial(jax.jit, static_argnums=0)
def concatenated(model, params, tokens, candidates, landscape):
    """Tokens, then candidates, in one sequence under the mask [[causal, 0], [causal, identity]].

    The embedding of the step is added to candidates, or one more token before all others, which
    all see.
    """
    c = model.decoder.config
    length = tokens.shape[1]
    words = params["decoder"]["embedding"][tokens] * c.embed_scale
    guesses = jax.nn.softmax(candidates) @ params["candidate_embedding"] * c.embed_scale
    step = params["landscape_embedding"][landscape]
    if model.conditioning == "candidate":
        x = jnp.concatenate([words, guesses + step], axis=1)
        positions = jnp.concatenate([jnp.arange(length), jnp.arange(length) + 1])
    else:
        first = jnp.broadcast_to(step, (len(tokens), 1, c.d_model))
        x = jnp.concatenate([first, words, guesses], axis=1)
        positions = jnp.concatenate([jnp.arange(length + 1), jnp.arange(length) + 2])
    every = x.shape[1]
    distance = positions[:, None] - positions[None, :]
    is_candidate = jnp.arange(every) >= every - length
    before = positions[None, :] <= (positions - is_candidate)[:, None]
    mask = (~is_candidate[None, :] & before) | (is_candidate[None, :] & jnp.eye(every, dtype=bool))
    tables = rope_tables(c, jnp.broadcast_to(positions, (len(tokens), every)))
    for layer, slides in zip(unstack_layers(params["decoder"], c.n_layers), c.slides):
        seen = mask & (distance < c.sliding_window) if slides else mask

        def attend(q, k, v, seen=seen):
            group = c.n_heads // c.n_kv_heads
            k, v = jnp.repeat(k, group, axis=2), jnp.repeat(v, group, axis=2)
            scores = jnp.einsum("bthd,bshd->bhts", q, k) * c.attention_scale
            if c.attention_softcap is not None:
                scores = c.attention_softcap * jnp.tanh(scores / c.attention_softcap)
            weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
            return jnp.einsum("bhts,bshd->bthd", weights, v), None

        x, _ = Block(c).apply({"params": layer}, x, select(slides, tables), attend)
    x = model.decoder.apply({"params": params["decoder"]}, x, method="normalize")
    return (x @ params["head"]["kernel"])[:, -length:, 0]


@pytest.mark.parametrize("attention", ["xla", "blockwise"])
@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.slow), "sliding"])
def test_two_streams_equal_one_of_twice_the_length(float64, make, name, attention):
    model, params = make(name, jnp.float64, attention=attention)
    tokens, candidates = draw(model)
    for step, landscape in [(0, 0), (1, 1), (5, 1)]:  # the last landscape is repeated
        steps = jnp.full(2, step)
        found = energies_at(model, params, tokens, candidates, steps)
        expected = concatenated(model, params, tokens, candidates, landscape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert np.std(expected) > 0.1  # there is something to compare
    at_first = energies(model, params, tokens, candidates)
    expected = concatenated(model, params, tokens, candidates, 0)
    np.testing.assert_allclose(at_first, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.slow), "sliding"])
def test_a_time_token_is_one_more_before_all_others(float64, make, name):
    model, params = make(name, jnp.float64, conditioning="time_token")
    tokens, candidates = draw(model)
    found = [energies_at(model, params, tokens, candidates, jnp.full(2, t)) for t in (0, 1)]
    for landscape in (0, 1):
        expected = concatenated(model, params, tokens, candidates, landscape)
        np.testing.assert_allclose(found[landscape], expected, rtol=0, atol=1e-9)
    assert np.std(found[0] - found[1]) > 1e-3
    rows = energies_at(model, params, tokens, candidates, jnp.asarray([0, 1]))
    np.testing.assert_allclose(rows, jnp.stack([found[0][0], found[1][1]]), atol=1e-9)
    segments = jnp.asarray([[1] * 5 + [0] * 2, [0] * LENGTH])
    padded = energies(model, params, tokens, candidates.at[0, 5:].set(jnp.nan), segments)
    np.testing.assert_allclose(padded[0, :5], found[0][0, :5], atol=1e-9)
    np.testing.assert_array_equal(padded[:, 5:], 0)


@pytest.mark.parametrize("attention", ["xla", "blockwise"])
def test_no_token_is_seen_before_it_is_written(make, attention):
    model, params = make("sliding", attention=attention)
    tokens, candidates = draw(model)
    later = tokens.at[:, 4:].set((tokens[:, 4:] + 1) % model.decoder.config.vocab_size)
    before = np.asarray(energies(model, params, tokens, candidates))
    after = np.asarray(energies(model, params, later, candidates))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).all()


@pytest.mark.parametrize("attention", ["xla", "blockwise"])
def test_an_energy_depends_on_its_own_candidate_alone(make, attention):
    model, params = make("sliding", attention=attention)
    tokens, candidates = draw(model, rows=1)
    jacobian = jax.jacrev(lambda y: energies(model, params, tokens, y)[0])(candidates)[:, 0]
    size = np.abs(jacobian).max(axis=-1)  # [energy, candidate]
    assert (size[~np.eye(LENGTH, dtype=bool)] == 0).all()
    assert (np.diag(size) > 1e-4).all()


def test_segments_are_sequences_of_their_own_and_padding_may_hold_nan(make):
    model, params = make("sliding")
    tokens, candidates = draw(model, rows=1)
    segments = jnp.asarray([[1, 1, 1, 2, 2, 0, 0]])
    packed = energies(model, params, tokens, candidates.at[:, 5:].set(jnp.nan), segments)
    first = energies(model, params, tokens[:, :3], candidates[:, :3])
    second = energies(model, params, tokens[:, 3:5], candidates[:, 3:5])
    np.testing.assert_allclose(packed[:, :3], first, atol=1e-6)
    np.testing.assert_allclose(packed[:, 3:5], second, atol=1e-6)
    np.testing.assert_array_equal(packed[:, 5:], 0)


def test_a_candidate_is_the_mean_embedding_of_its_distribution(make):
    model, params = make()
    probs = jnp.asarray([[[0.25, 0.75] + [0.0] * 9]])
    table = params["candidate_embedding"]
    expected = 0.25 * table[0] + 0.75 * table[1]
    found = embed_candidates(model, params, jnp.log(probs) + 3)
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5)


def test_what_an_energy_model_cannot_be():
    config = ModelConfig(8, 8, 1, 2, 2, 4, 8)
    with pytest.raises(ValueError, match="xla, blockwise"):
        EnergyModel(Transformer(config), attention="cudnn")
    with pytest.raises(ValueError, match="conditioning is 'adaln'; choose one of candidate, time"):
        EnergyModel(Transformer(config), conditioning="adaln")
    with pytest.raises(ValueError, match="landscapes is 0"):
        EnergyModel(Transformer(config), landscapes=0)
    with pytest.raises(ValueError, match="set tie_embeddings"):
        EnergyModel(Transformer(ModelConfig(8, 8, 1, 2, 2, 4, 8, tie_embeddings=False)))
