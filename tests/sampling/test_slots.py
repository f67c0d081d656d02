"""Continuous batching: the same rows whatever the slots, the order, the devices and the model."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import (
    MixtureOfExperts,
    Transformer,
    init_params,
    param_shardings,
    preset,
    token_logprobs,
)
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Row, Sampler, SamplingParams, decode, slots

CONTEXT = 96
RANDOM = np.random.default_rng(0)
ROWS = [
    Row(tuple(RANDOM.integers(2, 27, length).tolist()), 100 + i, i % 3, 0, limit)
    for i, (length, limit) in enumerate(
        zip(RANDOM.integers(1, 25, 15), [3, 60, 1, 17, 0, 33, 9, 48, 5, 64, 2, 12, 50, 20, 40])
    )
]
SAMPLED = SamplingParams(seed=3, top_k=20)
GREEDY = SamplingParams(temperature=0.0)


def build(config, make_tokenizer, mesh=None, max_rows=4, scale=5, **options):
    params = init_params(config, jax.random.key(1))
    params = params | {"embedding": scale * params["embedding"]}
    if mesh is not None:
        params = jax.device_put(params, param_shardings(config, mesh))
    return Sampler(config, params, make_tokenizer(), mesh, max_rows=max_rows, **options)


SIZES = {"d_model": 32, "head_dim": 8, "n_kv_heads": 2, "d_ff": 48, "max_position": CONTEXT}
VARIANTS = {
    "plain": {},
    "window": {"sliding_window": 7, "sliding_layers": (True, False, True)},
    "mixture": {"moe": MixtureOfExperts(4, 2, 12, True, shared_d_ff=8)},
    "gemma": {
        "norm_placement": "sandwich",
        "norm_plus_one": True,
        "attention_softcap": 20.0,
        "final_softcap": 15.0,
        "sliding_window": 5,
        "sliding_layers": (True, False, True),
        "rope_local_theta": 100.0,
    },
}


def config_of(variant):
    sizes = SIZES | VARIANTS[variant]
    return preset("nano", 32, sizes | {"n_layers": 3})


@pytest.fixture(scope="module")
def config():
    return config_of("plain")


@pytest.fixture(scope="module")
def few(config, make_tokenizer):
    return build(config, make_tokenizer)


@pytest.fixture(scope="module")
def expected(few):
    """Every row alone."""
    sampler = few.with_params(few.params)
    return [sampler.extend([row], SAMPLED, of=1)[0] for row in ROWS]


def equal(outs, expected):
    assert [out.tokens for out in outs] == [out.tokens for out in expected]
    assert [out.finish_reason for out in outs] == [out.finish_reason for out in expected]
    for out, other in zip(outs, expected):
        np.testing.assert_allclose(out.logprobs, other.logprobs, atol=1e-5)


def test_rows_have_limits_of_their_own(expected):
    for row, out in zip(ROWS, expected):
        ended = bool(out.tokens) and out.tokens[-1] == 1
        assert len(out.tokens) == row.limit or (ended and len(out.tokens) < row.limit)
        assert out.finish_reason == ("stop" if ended else "length")
    assert len({len(out.tokens) for out in expected}) > 8


@pytest.mark.parametrize("order", ["as they come", "shuffled"])
def test_more_rows_than_slots_in_any_order(few, expected, order):
    indices = {
        "as they come": range(len(ROWS)),
        "shuffled": np.random.default_rng(1).permutation(len(ROWS)),
    }[order]
    outs = few.extend([ROWS[i] for i in indices], SAMPLED, of=4)
    equal(outs, [expected[i] for i in indices])


def test_rows_that_come_later(few, expected):
    queue = few.slots(4)
    tasks = [few.task(row, SAMPLED) for row in ROWS if row.limit]
    queue.add(tasks[:3])
    rest = iter(tasks[3:])
    while queue.busy:
        queue.step()
        queue.add(list(itertools.islice(rest, 2)))
    assert all(task.finished for task in tasks)
    equal([task.completion() for task in tasks], [o for o, row in zip(expected, ROWS) if row.limit])


def test_a_task_that_is_dropped_leaves_the_others_alone(few, expected):
    queue = few.slots(4)
    tasks = [few.task(row, SAMPLED) for row in ROWS if row.limit]
    queue.add(tasks)
    queue.step()
    dropped = [task for task in tasks if not task.finished][::2]
    for task in dropped:
        queue.drop(task)
    done = list(queue.run())
    assert not set(done) & set(dropped)
    kept = [i for i, task in enumerate(tasks) if task not in dropped]
    alone = [out for out, row in zip(expected, ROWS) if row.limit]
    equal([tasks[i].completion() for i in kept], [alone[i] for i in kept])


@pytest.mark.parametrize("ways", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_devices_do_not_matter(config, make_tokenizer, expected, ways):
    mesh = make_mesh(devices=jax.devices()[:ways])
    equal(build(config, make_tokenizer, mesh, 8).extend(ROWS, SAMPLED, of=8), expected)


@pytest.mark.slow
def test_tensor_and_fsdp_devices_do_not_matter(config, make_tokenizer, expected):
    mesh = make_mesh(2, 2, 2)
    equal(build(config, make_tokenizer, mesh, 8).extend(ROWS, SAMPLED, of=8), expected)


@pytest.mark.parametrize(
    "variant", ["window", "mixture", pytest.param("gemma", marks=pytest.mark.slow)]
)
def test_log_probabilities_are_those_of_the_trainer(make_tokenizer, variant):
    config = config_of(variant)
    sampler = build(config, make_tokenizer, max_rows=8, scale=3)
    outs = sampler.extend(ROWS, SAMPLED, of=8)
    tokens = np.zeros((len(ROWS), CONTEXT), np.int32)
    for i, (row, out) in enumerate(zip(ROWS, outs)):
        tokens[i, : len(row.tokens) + len(out.tokens)] = [*row.tokens, *out.tokens]
    scores = token_logprobs(Transformer(config), sampler.params, jnp.asarray(tokens)).logprobs
    for row, out, logprobs in zip(ROWS, outs, np.asarray(scores)):
        end = len(row.tokens) + len(out.tokens)
        np.testing.assert_allclose(out.logprobs, logprobs[len(row.tokens) : end], atol=1e-5)
    assert sum(len(out.tokens) for out in outs) > 100


def test_samples_of_a_prompt_share_one_prefill(few, monkeypatch):
    read, prefill = [], decode.prefill

    def recording(model, weights, tokens, lengths):
        read.append(tokens.shape)
        return prefill(model, weights, tokens, lengths)

    monkeypatch.setattr(decode, "prefill", recording)
    # Six rows through four slots: the last two wait, and still need no prefill of their own.
    few.generate(["12345"], SamplingParams(max_tokens=4, n=4))
    few.generate(["12345", "678"], SamplingParams(max_tokens=4, n=3))
    assert read == [(1, 16), (2, 16)]


def test_greedy_and_sampled_rows_share_slots(few, expected):
    queue = few.slots(4)
    greedy = few.extend(ROWS, GREEDY, of=4)
    tasks = [few.task(row, (SAMPLED, GREEDY)[i % 2]) for i, row in enumerate(ROWS)]
    queue.add([task for task in tasks if not task.finished])
    list(queue.run())
    equal(
        [task.completion() for task in tasks],
        [(expected, greedy)[i % 2][i] for i in range(len(ROWS))],
    )


def test_rows_of_other_lengths_and_limits_compile_no_other_loop(few):
    few.extend(ROWS, SAMPLED, of=4)
    before = decode.advance._cache_size()
    other = [Row(row.tokens[::-1], i, 0, 0, row.limit) for i, row in enumerate(ROWS[::-1])]
    few.extend(other, SamplingParams(seed=9, temperature=0.8, top_k=11), of=4)
    assert decode.advance._cache_size() == before


@pytest.mark.slow
def test_slots_shrink_and_the_ring_grows(few, expected, monkeypatch):
    monkeypatch.setattr(slots, "_SHRINK_STEPS", 8)
    monkeypatch.setattr(slots, "_SMALLEST", 1)
    monkeypatch.setattr(slots, "_WHOLE_RING", 16)
    monkeypatch.setattr(slots, "_CHUNK", 16)
    shapes = []
    advance = decode.advance

    def recording(model, weights, state, stopped, *args, **kwargs):
        shapes.append((stopped.shape[0], state.columns))
        return advance(model, weights, state, stopped, *args, **kwargs)

    monkeypatch.setattr(decode, "advance", recording)
    queue = few.slots(4)
    tasks = [few.task(row, SAMPLED) for row in ROWS]
    queue.add([task for task in tasks if not task.finished])
    list(queue.run())
    equal([task.completion() for task in tasks], expected)
    rows, columns = zip(*shapes)
    assert rows[0] == 4 and rows[-1] < 4 and len(set(columns)) > 2


def test_stop_strings_across_the_borders_of_chunks(few, expected):
    decode_ids = few.tokenizer.decode
    texts = [decode_ids(out.tokens) for out in expected]
    # Of three characters each: one on the border of the first chunk, one inside, one late.
    long = sorted(texts, key=len)[-3:]
    stops = (long[0][15:18], long[1][20:23], long[2][-4:-1])
    sampling = SamplingParams(seed=3, top_k=20, stop=stops)
    outs = few.extend(ROWS, sampling, of=4)
    cut = 0
    for out, free in zip(outs, expected):
        counts = [
            count
            for count in range(1, len(free.tokens) + 1)
            if any(stop in decode_ids(free.tokens[:count]) for stop in stops)
        ]
        assert out.tokens == free.tokens[: counts[0] if counts else None]
        assert not any(stop in out.text for stop in stops)
        assert out.finish_reason == ("stop" if counts else free.finish_reason)
        cut += bool(counts)
    assert cut >= 3
