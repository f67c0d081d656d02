"""The jitted loop itself: draws by key alone, early end, rows in and out of the ring."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer
from reasoning_jax.sampling import SamplingParams, decode
from reasoning_jax.sampling.choose import Rule
from reasoning_jax.sampling.newcomers import pack
from reasoning_jax.sampling.task import Row, Task
from reasoning_jax.sampling.weights import prepare

COLUMNS, MAX_TOKENS = 48, 24
MANY_ENDS = tuple(range(0, 32, 3))
NO_END = (99,)  # outside the vocabulary
DRAWING = Rule(32, greedy=False, draws=True, best=0, nucleus=False)


@pytest.fixture(scope="module")
def begin(config, make_tokenizer):
    """begin(params, prompts, ends) -> weights and the state of four slots, two for a prompt."""
    model = Transformer(config)

    def run(params, prompts, ends, prompt_ids=(0, 1), seed=0):
        weights = prepare(model, params)
        tokens = np.zeros((len(prompts), 16), np.int32)
        lengths = np.zeros(len(prompts), np.int32)
        entries = []
        for i, (prompt, prompt_id) in enumerate(zip(prompts, prompt_ids)):
            lengths[i] = max(len(prompt) - 1, 0)
            tokens[i, 16 - lengths[i] :] = prompt[:-1]
            for sample in range(2 if prompt else 0):
                row = Row(tuple(prompt), prompt_id, sample, 0, MAX_TOKENS)
                task = Task(row, SamplingParams(seed=seed), ends, make_tokenizer())
                entries.append((2 * i + sample, i, task))
        saved = decode.prefill(model, weights, tokens, lengths)
        packed = pack([entries], 4, no_slot=4)
        return weights, decode.fill(None, saved, *packed, columns=COLUMNS)

    return run


@pytest.fixture(scope="module")
def generate(config, begin):
    """generate(params, two prompts, ends) -> what a chunk of 24 steps adds to 2 x 2 rows."""
    model = Transformer(config)

    def run(params, prompts, ends, most=MAX_TOKENS, patience=0, **options):
        weights, state = begin(params, prompts, ends, **options)
        bounds = np.array([most, patience], np.int32)
        nobody = np.zeros(4, bool)
        return decode.advance(model, weights, state, nobody, bounds, rule=DRAWING, chunk=MAX_TOKENS)

    return run


def test_samples_of_a_prompt_share_one_prefill(begin, params):
    _, state = begin(params, [[3, 4, 6], [5]], NO_END)
    keys = np.asarray(state.caches[0].k_BxKxDxS)
    np.testing.assert_array_equal(keys[0], keys[1])
    assert keys[0].any() and not keys[2:].any()  # a prompt of one token has nothing to cache
    assert state.rows.lengths.tolist() == [2, 2, 0, 0]


def test_the_loop_ends_when_all_rows_have(generate, params):
    state, added = generate(params, [[3, 4], [5, 6, 7]], MANY_ENDS)
    counts = np.asarray(added.counts)
    assert added.finished.all() and len(set(counts.tolist())) > 1 and counts.max() < MAX_TOKENS
    assert (np.asarray(state.rows.idle) == counts.max() - counts).all()


def test_the_loop_ends_when_few_rows_are_left(generate, params):
    _, free = generate(params, [[3, 4], [5, 6, 7]], MANY_ENDS)
    _, added = generate(params, [[3, 4], [5, 6, 7]], MANY_ENDS, patience=2)
    steps = sorted(free.counts.tolist())[1]
    assert added.counts.tolist() == np.minimum(free.counts, steps).tolist()
    assert int(jnp.sum(~added.finished)) <= 2
    _, added = generate(params, [[3, 4], [5, 6, 7]], NO_END, most=5)
    assert added.counts.tolist() == [5] * 4 and not added.finished.any()


def test_nothing_is_written_after_the_end_of_a_row(generate, params):
    _, added = generate(params, [[3, 4], [5, 6, 7]], MANY_ENDS)
    for tokens, logprobs, count in zip(added.tokens, added.logprobs, added.counts):
        assert int(tokens[count - 1]) in MANY_ENDS
        assert not any(int(token) in MANY_ENDS for token in tokens[: count - 1])
        assert not tokens[count:].any() and not logprobs[count:].any()
        assert (logprobs[:count] < 0).all()


def test_empty_slots_are_finished_from_the_start(generate, params):
    _, added = generate(params, [[3, 4], []], NO_END)
    assert added.counts.tolist() == [MAX_TOKENS] * 2 + [0] * 2
    assert not added.tokens[2:].any() and np.isfinite(added.logprobs).all()


def test_draws_are_a_function_of_seed_prompt_id_sample_and_position(generate, params):
    # Without parameters all logits are 0, so that a token is floor(32 u): the noise itself.
    flat = jax.tree.map(jnp.zeros_like, params)
    same = [[3], [3]]
    noise = {}
    for seed in (0, 1, 2**32 - 1):
        for prompt_ids in ((7, 8), (9, 2**32 - 1)):
            _, added = generate(flat, same, NO_END, seed=seed, prompt_ids=prompt_ids)
            for row, tokens in enumerate(np.asarray(added.tokens)):
                noise[seed, prompt_ids[row // 2], row % 2] = tuple(tokens.tolist())
    assert len(set(noise.values())) == len(noise) == 24
    # 24 draws from 32 tokens hold 17 different ones on average.
    assert all(len(set(tokens)) >= 10 for tokens in noise.values())
    columns = np.array(list(noise.values()))
    assert all(len(set(column.tolist())) >= 10 for column in columns.T)
    assert abs(columns.mean() / 31 - 0.5) < 0.05  # standard error 0.012

    _, again = generate(flat, same, NO_END, seed=1, prompt_ids=(8, 9))
    assert tuple(again.tokens[0].tolist()) == noise[1, 8, 0]
    assert tuple(again.tokens[3].tolist()) == noise[1, 9, 1]


def test_a_row_is_the_same_after_other_slots_another_ring_and_garbage(config, params, begin):
    model = Transformer(config)
    advance = functools.partial(decode.advance, model, rule=DRAWING, chunk=MAX_TOKENS)
    prompts, nobody = [[3, 4, 8], [5, 6, 7]], np.zeros(4, bool)
    weights, state = begin(params, prompts, NO_END)
    _, whole = advance(weights, state, nobody, np.array([20, 0], np.int32))

    _, state = begin(params, prompts, NO_END)
    # What a slot held before must not matter: here nan in every column that no row has.
    owned = (np.arange(COLUMNS) >= 14) & (np.arange(COLUMNS) < 16)
    poison = [
        cache.replace(
            k_BxKxDxS=jnp.where(owned, cache.k_BxKxDxS, jnp.nan),
            v_BxKxSxD=jnp.where(owned[:, None], cache.v_BxKxSxD, jnp.nan),
        )
        for cache in state.caches
    ]
    none = np.zeros(4, np.int32)
    saved = decode.lift(None, state.replace(caches=poison), np.arange(4), none, columns=16)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(saved))
    state, first = advance(weights, state, nobody, np.array([7, 0], np.int32))
    state = decode.rearrange(None, state, np.array([2, 1, -1, 0, 3], np.int32), columns=32)
    state, _ = advance(weights, state, np.zeros(5, bool), np.array([0, 0], np.int32))
    state = decode.rearrange(None, state, np.array([0, 1, 3, 4], np.int32), columns=64)
    state, rest = advance(weights, state, nobody, np.array([13, 0], np.int32))
    order = [2, 1, 0, 3]
    joined = np.concatenate([first.tokens[:, :7][np.array(order)], rest.tokens[:, :13]], axis=1)
    np.testing.assert_array_equal(joined, np.asarray(whole.tokens)[order, :20])
    joined = np.concatenate([first.logprobs[:, :7][np.array(order)], rest.logprobs[:, :13]], axis=1)
    np.testing.assert_allclose(joined, np.asarray(whole.logprobs)[order, :20], atol=1e-5)
