"""The sampler against the trainer, and against itself in other company."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, param_shardings, token_logprobs
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Sampler, SamplingParams, decode

PROMPTS = ["7", "1+2=", "abcabc", "12*3= 4-5", "0123456789abcdefghij"]
SAMPLED = SamplingParams(max_tokens=20, n=2, seed=5)


def together(sampler, outs):
    """All completions, their rows [B, 40] with prompt and padding, and where each lies in it."""
    rows = [
        (sampler.tokenizer.encode_prompt(prompt), out)
        for prompt, samples in zip(PROMPTS, outs)
        for out in samples
    ]
    tokens = np.zeros((len(rows), 40), np.int32)
    for row, (prompt, out) in enumerate(rows):
        tokens[row, : len(prompt) + len(out.tokens)] = [*prompt, *out.tokens]
    spans = [slice(len(prompt), len(prompt) + len(out.tokens)) for prompt, out in rows]
    return [out for _, out in rows], tokens, spans


def equal(first, second):
    """The same tokens, text and reason, and log-probabilities to 1e-5."""
    assert len(first) == len(second)
    for ours, theirs in zip(first, second):
        assert [out.tokens for out in ours] == [out.tokens for out in theirs]
        assert [(out.text, out.finish_reason) for out in ours] == [
            (out.text, out.finish_reason) for out in theirs
        ]
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-5)


@pytest.fixture(scope="module")
def outs(sampler):
    return sampler.generate(PROMPTS, SAMPLED)


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(2, 2, 2)


@pytest.fixture(scope="module")
def compilations():
    """A list that grows by one with every program XLA compiles."""
    events = []

    def listen(event: str, duration: float, **_) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def advances(monkeypatch):
    """What every chunk of steps added."""
    added = []

    def recording(*args, **kwargs):
        state, chunk = advance(*args, **kwargs)
        added.append(chunk)
        return state, chunk

    advance = decode.advance
    monkeypatch.setattr(decode, "advance", recording)
    return added


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("restriction", [{}, {"top_k": 6, "top_p": 0.8}])
def test_logprobs_are_those_of_the_trainer(config, sampler, temperature, restriction):
    sampling = SamplingParams(max_tokens=20, n=2, temperature=temperature, **restriction)
    outs = sampler.generate(PROMPTS, sampling)
    flat, tokens, spans = together(sampler, outs)
    expected, *_ = token_logprobs(
        Transformer(config), sampler.params, jnp.asarray(tokens), temperature=temperature
    )
    for out, row, span in zip(flat, np.asarray(expected), spans):
        np.testing.assert_allclose(out.logprobs, row[span], atol=1e-5)
    # The restriction really was on, yet the softmax is over everything.
    lowest = min(min(out.logprobs) for out in flat)
    assert (lowest > -4) == bool(restriction)


def test_greedy_is_the_argmax_of_the_full_forward(config, sampler):
    outs = sampler.generate(PROMPTS, SamplingParams(max_tokens=20, n=2, temperature=0.0))
    flat, tokens, spans = together(sampler, outs)
    logits = Transformer(config).apply({"params": sampler.params}, jnp.asarray(tokens))
    best = np.asarray(logits[..., : sampler.tokenizer.vocab_size].argmax(axis=-1))
    logprobs = np.asarray(jax.nn.log_softmax(logits, axis=-1))
    for out, row, scores, span in zip(flat, best, logprobs, spans):
        before = slice(span.start - 1, span.stop - 1)
        assert list(out.tokens) == row[before].tolist()
        reported = scores[np.arange(before.start, before.stop), out.tokens]
        np.testing.assert_allclose(out.logprobs, reported, atol=1e-5)
    assert all(first == second for first, second in outs)


def test_samples_differ_and_the_seed_decides(sampler, outs):
    assert all(first.tokens != second.tokens for first, second in outs)
    equal(sampler.generate(PROMPTS, SAMPLED), outs)
    other = sampler.generate(PROMPTS, SamplingParams(max_tokens=20, n=2, seed=6))
    assert all(a[0].tokens != b[0].tokens for a, b in zip(outs, other))
    renamed = sampler.generate(PROMPTS, SAMPLED, prompt_ids=range(100, 105))
    assert all(a[0].tokens != b[0].tokens for a, b in zip(outs, renamed))


def test_company_and_order_do_not_matter(sampler, outs):
    alone = sampler.generate(PROMPTS[1:2], SAMPLED, prompt_ids=[1])
    equal(alone, outs[1:2])
    order = [3, 0, 4, 2, 1]
    shuffled = sampler.generate([PROMPTS[i] for i in order], SAMPLED, prompt_ids=order)
    equal(shuffled, [outs[i] for i in order])
    others = [PROMPTS[0], "9999", "j", "=", PROMPTS[4]]
    mixed = sampler.generate(others, SAMPLED)
    equal([mixed[0], mixed[4]], [outs[0], outs[4]])


@pytest.mark.parametrize("max_rows", [1, 5])
def test_rows_decoded_at_once_do_not_matter(config, params, make_tokenizer, outs, max_rows):
    few = Sampler(config, params, make_tokenizer(), max_rows=max_rows)
    equal(few.generate(PROMPTS, SAMPLED), outs)


def test_a_stream_hands_over_prompts_as_they_end(config, params, make_tokenizer, outs, advances):
    few = Sampler(config, params, make_tokenizer((1, 9)), max_rows=4)
    ended = few.generate(PROMPTS, SAMPLED)
    advances.clear()
    streamed = [(index, len(advances), got) for index, got in few.stream(PROMPTS, SAMPLED)]
    # Ten rows through four slots: some prompts are complete long before the last chunk.
    assert len({visits for _, visits, _ in streamed}) >= 3
    equal([got for *_, got in sorted(streamed)], ended)


def test_number_of_samples_does_not_matter(sampler, outs):
    one = sampler.generate(PROMPTS, SamplingParams(max_tokens=20, n=1, seed=5))
    equal(one, [samples[:1] for samples in outs])


def test_mesh_does_not_matter(config, params, make_tokenizer, mesh, outs, compilations):
    sharded = jax.device_put(params, param_shardings(config, mesh))
    spread = Sampler(config, sharded, make_tokenizer(), mesh)
    equal(spread.generate(PROMPTS, SAMPLED), outs)
    before = len(compilations)
    spread.generate(["3+4", *PROMPTS[1:]], SamplingParams(max_tokens=20, n=2, seed=6))
    assert len(compilations) == before


def test_prompts_as_ids(sampler, outs):
    equal(sampler.generate([sampler.tokenizer.encode(p) for p in PROMPTS], SAMPLED), outs)


def test_a_second_call_of_the_same_shapes_compiles_nothing(sampler, outs, compilations):
    doubled = sampler.with_params(jax.tree.map(lambda p: 2 * p, sampler.params))
    programs, compiled = decode.advance._cache_size(), len(compilations)
    sampler.generate(
        ["5", "6+", "ddd", "01234567", "9876543210*9876543"],
        SamplingParams(max_tokens=20, n=2, seed=11, temperature=0.3),
    )
    doubled.generate(PROMPTS, SAMPLED)
    assert decode.advance._cache_size() == programs
    assert len(compilations) == compiled


def test_with_params_leaves_the_first_sampler_alone(sampler, outs):
    flat = sampler.with_params(jax.tree.map(jnp.zeros_like, sampler.params))
    assert flat.generate(PROMPTS, SAMPLED)[0][0].tokens != outs[0][0].tokens
    equal(sampler.generate(PROMPTS, SAMPLED), outs)


def test_padding_rows_of_the_embedding_are_in_the_softmax_but_never_drawn(sampler):
    # All 32 logits are 0: each token has probability 1/32, and only the 27 real ones are drawn.
    flat = sampler.with_params(jax.tree.map(jnp.zeros_like, sampler.params))
    outs = [out for samples in flat.generate(PROMPTS, SAMPLED) for out in samples]
    drawn = {token for out in outs for token in out.tokens}
    assert sampler.tokenizer.vocab_size == 27
    assert max(drawn) < 27 and len(drawn) > 20
    for out in outs:
        np.testing.assert_allclose(out.logprobs, -math.log(32), atol=1e-6)


def test_end_of_sequence_ends_a_row(config, params, make_tokenizer, outs):
    ends = (1, 9)
    ended = Sampler(config, params, make_tokenizer(ends)).generate(PROMPTS, SAMPLED)
    lengths, reasons = set(), set()
    for samples, free_samples in zip(ended, outs):
        for out, free in zip(samples, free_samples):
            # The same draws as without those ends, up to the first of them, which is kept.
            stops = [i + 1 for i, token in enumerate(free.tokens) if token in ends]
            count = stops[0] if stops else len(free.tokens)
            assert out.tokens == free.tokens[:count]
            np.testing.assert_allclose(out.logprobs, free.logprobs[:count], atol=1e-5)
            assert out.finish_reason == ("stop" if stops else "length")
            assert stops or len(out.tokens) == SAMPLED.max_tokens
            lengths.add(count)
            reasons.add(out.finish_reason)
    assert reasons == {"stop", "length"} and len(lengths) > 2


def test_text_is_the_decoded_tokens_without_the_end(sampler, outs):
    for out in (out for samples in outs for out in samples):
        assert out.text == sampler.tokenizer.decode(out.tokens)
        assert len(out.logprobs) == len(out.tokens) <= SAMPLED.max_tokens
        if out.finish_reason == "stop":
            assert out.tokens[-1] == 1


def stopped(tokenizer, free, stops):
    """What a free completion becomes with stop strings, by trying every prefix."""
    for count in range(1, len(free.tokens) + 1):
        text = tokenizer.decode(free.tokens[:count])
        found = [text.index(stop) for stop in stops if stop in text]
        if found:
            return free.tokens[:count], text[: min(found)], "stop"
    return free.tokens, free.text, free.finish_reason


def test_stop_strings_cut_the_text_and_keep_the_tokens_that_made_them(sampler, outs):
    texts = [out.text for samples in outs for out in samples]
    # One that ends early, one after the first look at the text, one of three tokens.
    stops = (texts[0][4:6], texts[3][-2:], texts[6][8:11])
    with_stops = SamplingParams(max_tokens=20, n=2, seed=5, stop=stops)
    counts = []
    for samples, free_samples in zip(sampler.generate(PROMPTS, with_stops), outs):
        for out, free in zip(samples, free_samples):
            assert (out.tokens, out.text, out.finish_reason) == stopped(
                sampler.tokenizer, free, stops
            )
            np.testing.assert_allclose(out.logprobs, free.logprobs[: len(out.tokens)], atol=1e-5)
            counts.append(len(out.tokens))
    assert min(counts) <= 6 and max(counts) == 20
    assert sum(count < 20 for count in counts) >= 3


def test_the_first_stop_completed_decides_whatever_came_after_it(sampler, outs):
    text = outs[1][0].text
    # The longer stop begins earlier but is complete one token later.
    stops = (text[2:6], text[3:5])
    with_stops = SamplingParams(max_tokens=20, n=2, seed=5, stop=stops)
    out = sampler.generate(PROMPTS, with_stops)[1][0]
    assert (out.tokens, out.text, out.finish_reason) == stopped(
        sampler.tokenizer, outs[1][0], stops
    )


def test_generation_ends_when_every_row_has_met_a_stop(sampler, advances):
    sampler.generate(PROMPTS, SamplingParams(max_tokens=20, n=2, stop=tuple("0123456789abcdefgh")))
    assert len(advances) == 1  # of two looks at the text, after 16 tokens and after 20


def test_a_stop_of_one_token_ends_the_loop_at_that_token(sampler, advances):
    # Q is not in the alphabet, and "ab" is two tokens: neither can be met by an id.
    stops = (*sampler.tokenizer.alphabet, "ab", "Q")
    outs = sampler.generate(PROMPTS, SamplingParams(max_tokens=20, stop=stops))
    assert [int(added.counts.max()) for added in advances] == [1]
    assert {out.finish_reason for (out,) in outs} == {"stop"}


def test_prompts_that_cannot_be_continued_are_refused(sampler):
    sampling = SamplingParams(max_tokens=20)
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        sampler.generate(["1", ""], sampling)
    with pytest.raises(ValueError, match=r"prompt 0 has 45 tokens.*max_tokens 20.*context of 64"):
        sampler.generate(["1" * 45], sampling)
    with pytest.raises(ValueError, match=r"prompt 1 holds id 32.*embedding.*32 rows"):
        sampler.generate([[3], [4, 32]], sampling)
    with pytest.raises(ValueError, match=r"prompt 0 holds id -1"):
        sampler.generate([[-1]], sampling)


def test_a_prompt_may_fill_the_context_exactly(sampler):
    (out,), _ = sampler.generate(["1" * 44, "1"], SamplingParams(max_tokens=20, temperature=0.0))
    assert 1 <= len(out.tokens) <= 20


def test_a_tokenizer_larger_than_the_embedding_is_refused(config, params, make_tokenizer):
    tokenizer = make_tokenizer()
    tokenizer.vocab_size = 33
    with pytest.raises(ValueError, match="tokenizer has 33 ids but the embedding only 32 rows"):
        Sampler(config, params, tokenizer)
