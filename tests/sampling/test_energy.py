"""Decoding with a cache equals thinking over the whole row anew."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import ModelConfig, Transformer
from reasoning_jax.models.energy import (
    Draft,
    EnergyModel,
    Likeliest,
    Thinking,
    WithinCurvature,
    begin,
    draw_start,
    encode,
    init_energy_params,
    think,
)
from reasoning_jax.sampling import EnergySampler, SamplingParams
from reasoning_jax.text.char import CharTokenizer

TOKENIZER = CharTokenizer("abcdefgh")
CONFIG = ModelConfig(
    vocab_size=10,
    d_model=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=4,
    d_ff=24,
    sliding_window=3,
    sliding_layers=(True, False),
)
THINKING = Thinking(steps=3, init_scale=1.0, step_size_spread=2.0, langevin=0.1)
MODEL = EnergyModel(Transformer(CONFIG), landscapes=2)


@pytest.fixture(scope="module")
def params():
    params = init_energy_params(CONFIG, jax.random.key(0), landscapes=2, step_size=20.0)
    params["landscape_embedding"] = 0.3 * jax.random.normal(jax.random.key(1), (2, 16))
    params["decoder"]["embedding"] = params["decoder"]["embedding"] * 20
    return params


def sampler_of(params, candidates=1, thinking=THINKING):
    return EnergySampler(MODEL, params, TOKENIZER, thinking, candidates)


@functools.partial(jax.jit, static_argnums=4)
def anew(params, tokens_T, length, keys_M, thinking):
    """M candidates for the token after the first ``length``, nothing cached: logits, energies."""
    rows = jnp.tile(tokens_T, (len(keys_M), 1))
    segments = jnp.broadcast_to(jnp.arange(len(tokens_T)) < length, rows.shape).astype(jnp.int32)
    context = encode(MODEL, params, rows, segments)
    start = draw_start(MODEL, thinking, keys_M, len(tokens_T))
    start = begin(MODEL, params, rows, segments, start, thinking)
    thoughts = think(MODEL, params, context, start, thinking)
    return thoughts.candidates[:, length - 1], thoughts.energies[-1, :, length - 1]


def row_key(seed, prompt_id, sample):
    key = jax.random.fold_in(jax.random.key(seed), prompt_id)
    return jax.random.fold_in(key, sample)


BEGUN = dataclasses.replace(
    THINKING,
    langevin=0.0,
    start=Draft(),
    support=Likeliest(k=6),
    size_rule=WithinCurvature(limit=0.5),
)


@pytest.mark.parametrize(
    "candidates, thinking",
    [
        pytest.param(1, THINKING, marks=pytest.mark.slow),
        (3, THINKING),
        pytest.param(2, BEGUN, marks=pytest.mark.slow),
    ],
)
def test_decoding_equals_thinking_over_the_row_anew(params, candidates, thinking):
    sampling = SamplingParams(max_tokens=4, temperature=0.0, seed=4)
    prompts = ["abcab", "h", "gfedcbagfed"]
    outs = sampler_of(params, candidates, thinking).generate(prompts, sampling)
    assert len({out[0].tokens for out in outs}) > 1
    for i, (prompt, (out,)) in enumerate(zip(prompts, outs)):
        ids = TOKENIZER.encode(prompt)
        keys = jnp.stack([jax.random.fold_in(row_key(4, i, 0), m) for m in range(candidates)])
        for token, logprob in zip(out.tokens, out.logprobs):
            padded = jnp.asarray([*ids, *[0] * (16 - len(ids))])
            logits, energies = anew(params, padded, len(ids), keys, thinking)
            scores = jax.nn.log_softmax(logits[energies.argmin()])
            assert int(scores.argmax()) == token
            np.testing.assert_allclose(logprob, scores[token], atol=1e-5)
            ids.append(token)


@pytest.mark.slow
def test_completions_depend_on_nothing_else_of_the_batch(params):
    sampler = sampler_of(params, candidates=2)
    sampling = SamplingParams(max_tokens=5, n=2, seed=1)
    together = sampler.generate(["ab", "abcdefg", "c"], sampling, prompt_ids=[7, 8, 9])
    alone = sampler.generate(["abcdefg"], sampling, prompt_ids=[8])[0]
    for one, other in zip(together[1], alone):
        assert one.tokens == other.tokens
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-5)
    assert together[0][0].tokens != together[0][1].tokens


@pytest.mark.slow
def test_stops_and_limits(params):
    sampler = sampler_of(params)
    sampling = SamplingParams(max_tokens=20, seed=3)
    (out,) = sampler.generate(["abc"], sampling)[0]
    assert (out.finish_reason == "stop") == (out.tokens[-1] in TOKENIZER.eos_ids)
    text = TOKENIZER.decode(out.tokens)
    stop = text[2:4]
    cut = sampler.generate(["abc"], SamplingParams(max_tokens=20, seed=3, stop=(stop,)))[0][0]
    assert cut.text == text[: text.find(stop)] and cut.finish_reason == "stop"
    assert cut.tokens == out.tokens[: len(cut.tokens)]
    with pytest.raises(ValueError, match="prompt 0 is empty"):
        sampler.generate([[]], sampling)
    with pytest.raises(ValueError, match="outside the embedding of 10 rows"):
        sampler.generate([[11]], sampling)


@pytest.mark.slow
def test_a_token_costs_no_recomputed_prefix():
    """But for attention to what stands in the cache, a long prefix costs what a short one does."""
    from reasoning_jax.bench.energy import cached_token, token_anew

    short, long = (cached_token(n).cost_analysis()["flops"] for n in (64, 1024))
    assert long < 2.7 * short
    assert token_anew(1024).cost_analysis()["flops"] > 100 * long
