"""Prompts that rows read together: the same rows as with a copy of the prompt each."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import init_params, param_shardings, preset
from reasoning_jax.models.cache import LayerCache
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Row, Sampler, SamplingParams, decode, slots
from reasoning_jax.sampling.pages import merge, partial

SIZES = {"d_model": 32, "head_dim": 8, "n_kv_heads": 2, "d_ff": 48, "max_position": 96}
WINDOW = {"sliding_window": 7, "sliding_layers": (True, False), "n_layers": 2}
RANDOM = np.random.default_rng(0)
PROMPTS = [RANDOM.integers(2, 27, length).tolist() for length in (17, 24, 19, 22, 25)]
SAMPLED = SamplingParams(max_tokens=24, n=3, seed=5, top_k=20)


def build(make_tokenizer, ways=1, max_rows=4, **sizes):
    config = preset("nano", 32, SIZES | WINDOW | sizes)
    params = init_params(config, jax.random.key(2))
    params = params | {"embedding": 4 * params["embedding"]}
    mesh = None
    if ways > 1:
        mesh = make_mesh(devices=jax.devices()[:ways])
        params = jax.device_put(params, param_shardings(config, mesh))
    return Sampler(config, params, make_tokenizer(), mesh, max_rows=max_rows)


@pytest.fixture
def shapes(monkeypatch):
    """Prompts of four tokens are read together; [pages, seats, columns] of every chunk of steps."""
    monkeypatch.setattr(slots, "_SHARED", 4)
    seen, advance = [], decode.advance

    def recording(model, weights, state, stopped, bounds, pages, **kwargs):
        found = None if pages is None else (*pages[1].seats.shape, pages[0][0].columns)
        seen.append(found)
        return advance(model, weights, state, stopped, bounds, pages, **kwargs)

    monkeypatch.setattr(decode, "advance", recording)
    return seen


@pytest.fixture(scope="module")
def expected(make_tokenizer):
    return build(make_tokenizer, max_rows=16).generate(PROMPTS, SAMPLED)


def equal(outs, expected):
    for samples, others in zip(outs, expected, strict=True):
        assert [out.tokens for out in samples] == [out.tokens for out in others]
        for out, other in zip(samples, others):
            np.testing.assert_allclose(out.logprobs, other.logprobs, atol=1e-5)


def test_parts_of_attention_merge_to_the_whole():
    q, k, v = (jax.random.normal(jax.random.key(i), (2, 2, 3, 8)) for i in range(3))
    cache = LayerCache(k.swapaxes(2, 3), v)
    seen = jnp.array([[True, False, True], [True, True, False]])[:, None, None]
    whole = jax.nn.softmax(jnp.where(seen, jnp.einsum("bkqd,bksd->bkqs", q, k) / 3, -jnp.inf))
    first, rest = jnp.arange(3) < 1, jnp.arange(3) >= 1
    parts = [partial(q, cache, seen & some, 1 / 3, None) for some in (first, rest, first & rest)]
    expected = jnp.einsum("bkqs,bksd->bkqd", whole, v)
    np.testing.assert_allclose(merge(parts), expected, atol=1e-6)


@pytest.mark.parametrize("ways", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_rows_are_those_of_prompts_of_their_own(make_tokenizer, shapes, expected, ways):
    sampler = build(make_tokenizer, ways, max_rows=4 * ways)
    equal(sampler.generate(PROMPTS, SAMPLED), expected)
    # Rows of a prompt came and went while others of it, and of other prompts, went on.
    assert len({len(out.tokens) for samples in expected for out in samples}) > 4
    assert all(shapes)


@pytest.mark.slow
def test_tensor_devices_do_not_matter(make_tokenizer, shapes, expected):
    config = preset("nano", 32, SIZES | WINDOW)
    mesh = make_mesh(2, 1, 2, devices=jax.devices()[:4])
    params = init_params(config, jax.random.key(2))
    params = params | {"embedding": 4 * params["embedding"]}
    params = jax.device_put(params, param_shardings(config, mesh))
    sampler = Sampler(config, params, make_tokenizer(), mesh, max_rows=8)
    equal(sampler.generate(PROMPTS, SAMPLED), expected)
    assert all(shapes)


@pytest.mark.slow
def test_few_shapes_of_pages(make_tokenizer, shapes, expected):
    sampler = build(make_tokenizer, max_rows=8)
    equal(sampler.generate(PROMPTS, SAMPLED), expected)
    # Eight slots take two pages of four seats, then four and eight where slots would stay free.
    assert {found[:2] for found in shapes} <= {(2, 4), (4, 4), (8, 4)}
    assert len(set(shapes)) <= 4


@pytest.mark.slow
def test_short_prompts_and_single_rows_keep_their_own(make_tokenizer, shapes, expected):
    sampler = build(make_tokenizer)
    first = [samples[:1] for samples in expected[:2]]
    equal(sampler.generate(PROMPTS[:2], dataclasses.replace(SAMPLED, n=1)), first)
    assert not any(shapes)
    both = [[3, 4, 5], PROMPTS[0]]
    outs = sampler.generate(both, SAMPLED, prompt_ids=[7, 0])
    equal(outs[1:], expected[:1])
    assert any(shapes)


@pytest.mark.slow
@pytest.mark.parametrize("ways", [1, 2])
def test_states_of_rows_that_shared_a_prompt_go_on(make_tokenizer, shapes, ways):
    sampler = build(make_tokenizer, ways, max_rows=8)
    step = SamplingParams(seed=4, stop=("3", "b", "+"))
    rows = [
        Row(prefix.tokens, i, sample, 0, 20, prefix)
        for i, prefix in enumerate(sampler.read(PROMPTS[:2]))
        for sample in range(3)
    ]
    grown = sampler.grow(rows, step, of=8)
    assert all(shapes)
    # Each goes on three times, so that what it read together is read together again.
    forks = [
        Row(prefix.tokens, i, sample, 9, 12, prefix)
        for i, (_, prefix) in enumerate(grown)
        for sample in range(3)
    ]
    outs = sampler.extend(forks, step, of=8)
    alone = build(make_tokenizer, max_rows=8)
    again = alone.extend([dataclasses.replace(row, prefix=None) for row in rows], step, of=1)
    equal([[out for out, _ in grown]], [again])
    again = alone.extend([dataclasses.replace(row, prefix=None) for row in forks], step, of=1)
    equal([outs], [again])
