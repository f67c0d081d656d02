"""The jitted loop itself: one prefill, early end, fixed number of programs, draws by key alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer
from reasoning_jax.sampling import decode

COLUMNS = 16
MAX_TOKENS = 24
MANY_ENDS = tuple(range(0, 32, 3))
NO_END = (99,)  # outside the vocabulary


def left_padded(prompts):
    tokens = np.zeros((len(prompts), COLUMNS), np.int32)
    starts = np.array([COLUMNS - len(prompt) for prompt in prompts], np.int32)
    for row, prompt in enumerate(prompts):
        tokens[row, starts[row] :] = prompt
    return tokens, starts


@pytest.fixture
def generate(config):
    """generate(params, two prompts, eos_ids) -> the final DecodeState of 2 x 2 rows."""
    model = Transformer(config)

    def run(params, prompts, eos_ids, *, prompt_ids=(0, 1), seed=0):
        tokens, starts = left_padded(prompts)
        temperature = np.float32(1)
        drawing = decode.Rule(eos_ids, config.vocab_size, greedy=False, top_k=0, top_p=1.0)
        state = decode.start(
            model,
            params,
            tokens,
            starts,
            np.uint32(seed),
            np.asarray(prompt_ids, np.uint32),
            *(np.full(len(prompts), value, np.int32) for value in (0, 0, MAX_TOKENS)),
            temperature,
            rule=drawing,
            n=2,
            max_tokens=MAX_TOKENS,
        )
        until = np.int32(MAX_TOKENS)
        return decode.advance(model, params, state, until, temperature, rule=drawing)

    return run


def test_samples_of_a_prompt_share_one_prefill(config, params, monkeypatch):
    prefilled = []

    def recording(model, params, tokens, segment_ids, columns):
        prefilled.append(tokens.shape)
        return prefill(model, params, tokens, segment_ids, columns)

    prefill = decode.prefill
    monkeypatch.setattr(decode, "prefill", recording)
    tokens, starts = left_padded([[3, 4], [5]])
    rule = decode.Rule(NO_END, 32, greedy=True, top_k=0, top_p=1.0)
    start = functools.partial(
        decode.start.__wrapped__, Transformer(config), rule=rule, n=4, max_tokens=8
    )
    state = jax.eval_shape(
        start, params, tokens, starts, np.uint32(0), *[starts] * 4, np.float32(1)
    )
    assert prefilled == [(2, COLUMNS)]
    assert state.tokens.shape == (8, 8)
    assert state.caches[0].v_BxKxSxD.shape == (8, 2, COLUMNS + 8, 8)


def test_the_loop_ends_when_all_rows_have(generate, params):
    state = generate(params, [[3, 4], [5, 6, 7]], eos_ids=MANY_ENDS)
    counts = np.asarray(state.counts)
    assert state.finished.all() and len(set(counts.tolist())) > 1 and counts.max() < MAX_TOKENS
    assert int(state.step) == counts.max()


def test_nothing_is_written_after_the_end_of_a_row(generate, params):
    state = generate(params, [[3, 4], [5, 6, 7]], eos_ids=MANY_ENDS)
    for tokens, logprobs, count in zip(state.tokens, state.logprobs, state.counts):
        assert int(tokens[count - 1]) in MANY_ENDS
        assert not any(int(token) in MANY_ENDS for token in tokens[: count - 1])
        assert not tokens[count:].any() and not logprobs[count:].any()
        assert (logprobs[:count] < 0).all()


def test_padding_rows_are_finished_from_the_start(generate, params):
    state = generate(params, [[3, 4], []], eos_ids=NO_END)
    assert state.counts.tolist() == [MAX_TOKENS] * 2 + [0] * 2
    assert not state.tokens[2:].any() and np.isfinite(state.logprobs).all()


def test_draws_are_a_function_of_seed_prompt_id_sample_and_position(generate, params):
    # Without parameters all logits are 0, so that a token is floor(32 u): the noise itself.
    flat = jax.tree.map(jnp.zeros_like, params)
    same = [[3], [3]]
    noise = {}
    for seed in (0, 1, 2**32 - 1):
        for prompt_ids in ((7, 8), (9, 2**32 - 1)):
            state = generate(flat, same, NO_END, seed=seed, prompt_ids=prompt_ids)
            for row, tokens in enumerate(np.asarray(state.tokens)):
                noise[seed, prompt_ids[row // 2], row % 2] = tuple(tokens.tolist())
    assert len(set(noise.values())) == len(noise) == 24
    # 24 draws from 32 tokens hold 17 different ones on average.
    assert all(len(set(tokens)) >= 10 for tokens in noise.values())
    columns = np.array(list(noise.values()))
    assert all(len(set(column.tolist())) >= 10 for column in columns.T)
    assert abs(columns.mean() / 31 - 0.5) < 0.05  # standard error 0.012

    again = generate(flat, same, NO_END, seed=1, prompt_ids=(8, 9))
    assert tuple(again.tokens[0].tolist()) == noise[1, 8, 0]
    assert tuple(again.tokens[3].tolist()) == noise[1, 9, 1]
