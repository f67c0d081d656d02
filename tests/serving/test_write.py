"""Completing jobs in batches, whole, in segments and with tools."""

import dataclasses

import pytest

from reasoning_jax.sampling import SamplingParams, TurnSampler
from reasoning_jax.serving import Job, Settings, TurnWriter
from reasoning_jax.tools import QuickTool, Syntax, Toolbox

PLAIN = Settings(temperature=1.0, top_p=1.0, top_k=0, stop=())


def jobs(tokenizer, settings, limits=(20, 9, 40)):
    return [
        Job(tuple(tokenizer.encode(prompt)), key, n, limit, settings)
        for prompt, key, n, limit in zip(["abc", "1+2=", "7"], [5, 1 << 31, 0], [2, 1, 2], limits)
    ]


def always(_):
    return True


def write(writer, wanted_jobs, *args):
    """The completions of all jobs, in order."""
    return [outs for _, outs in sorted(writer.write(wanted_jobs, *args))]


def unheard(*_):
    pytest.fail("text of a job that is not streamed")


@pytest.fixture(scope="module")
def whole(writer, tokenizer):
    return write(writer, jobs(tokenizer, PLAIN), unheard, always)


def test_jobs_of_any_limit_and_number_share_a_batch(whole, sampler, tokenizer):
    assert [len(samples) for samples in whole] == [2, 1, 2]
    for job, samples in zip(jobs(tokenizer, PLAIN), whole):
        sampling = SamplingParams(max_tokens=40, n=2)
        (alone,) = sampler.generate([job.tokens], sampling, [job.prompt_id])
        for out, longer in zip(samples, alone):
            assert out.tokens == longer.tokens[: job.limit]
            assert out.text == tokenizer.decode(out.tokens)


def test_jobs_that_join_change_nothing(writer, whole, tokenizer):
    first, *rest = jobs(tokenizer, PLAIN)
    other = dataclasses.replace(rest[1], settings=Settings(0.0, 1.0, 0, ("9",)))
    joining = [[rest[0]], [rest[1], other]]
    rooms = []

    def join(room):
        rooms.append(room)
        return joining.pop(0) if joining else []

    outs = write(writer, [first], unheard, always, join)
    assert outs[:3] == whole
    assert outs[3] == write(writer, [other], unheard, always)[0]
    assert rooms[0] == 16 and not joining


def test_segments_change_nothing_and_are_shown(writer, whole, tokenizer):
    shown = {}

    def show(*args):
        *key, text = args
        shown.setdefault(tuple(key), []).append(text)

    streamed = dataclasses.replace(PLAIN, streamed=True)
    assert write(writer, jobs(tokenizer, streamed), show, always) == whole
    for (job, sample), texts in shown.items():
        assert "".join(texts) == whole[job][sample].text
    assert max(map(len, shown.values())) > 1


def test_a_stop_string_across_segments_is_found(writer, whole, tokenizer):
    long = max((out for samples in whole for out in samples), key=lambda out: len(out.tokens))
    job = next(i for i, samples in enumerate(whole) if long in samples)
    stop = tokenizer.decode(long.tokens[14:18])  # the first segment ends after 16 tokens
    before = tokenizer.decode(long.tokens[:14])
    assert len(stop) > 2 and stop not in tokenizer.decode(long.tokens[:17])
    settings = dataclasses.replace(PLAIN, stop=(stop,), streamed=True)
    seen = []
    outs = write(writer, jobs(tokenizer, settings), lambda *args: seen.append(args), always)
    out = outs[job][whole[job].index(long)]
    assert (out.text, out.tokens) == (before, long.tokens[:18])
    assert out.finish_reason == "stop"
    shown = [text for i, j, text in seen if (i, j) == (job, whole[job].index(long))]
    assert "".join(shown) == out.text


def test_jobs_that_are_not_wanted_end_and_others_go_on(writer, whole, tokenizer):
    streamed = dataclasses.replace(PLAIN, streamed=True)
    outs = write(writer, jobs(tokenizer, streamed), lambda *_: None, lambda i: i != 2)
    assert outs[:2] == whole[:2] and [out.tokens for out in outs[2]] == [(), ()]


def test_no_tokens_are_no_completion(writer, tokenizer):
    outs = write(writer, jobs(tokenizer, PLAIN, (0, 0, 0)), unheard, always)
    assert {out for samples in outs for out in samples} == {outs[0][0]}
    assert (outs[0][0].text, outs[0][0].tokens, outs[0][0].finish_reason) == ("", (), "length")


def test_results_of_tools_stand_in_the_text(sampler, tokenizer):
    # Of an untrained model: frequent enough that rows call.
    syntax = Syntax("3", "b", "", "=", error="-")
    toolbox = Toolbox([QuickTool("reverse", lambda text: text[::-1])], syntax)
    turns = TurnSampler(sampler, toolbox, 4, 3)
    wanted = [dataclasses.replace(job, n=2) for job in jobs(tokenizer, PLAIN, (40, 40, 40))]
    wanted.append(dataclasses.replace(wanted[0], limit=0))
    outs = write(TurnWriter(turns), wanted, unheard, always)
    sampling = SamplingParams(max_tokens=40, n=2)
    own = turns.generate([job.tokens for job in wanted[:3]], sampling, [5, 1 << 31, 0])
    texts = [[out.transcript or out.text for out in samples] for samples in own]
    assert [[out.text for out in samples] for samples in outs] == [*texts, ["", ""]]
    assert any(out.calls for samples in own for out in samples)
    shown = []
    streamed = dataclasses.replace(PLAIN, streamed=True)
    again = [dataclasses.replace(job, settings=streamed) for job in wanted[:3]]
    write(TurnWriter(turns), again, lambda *args: shown.append(args), always)
    assert shown == [(i, j, text) for i, pair in enumerate(texts) for j, text in enumerate(pair)]
