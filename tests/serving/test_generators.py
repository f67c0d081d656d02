"""The generators of `reasoning_jax.generators` against this server."""

import pytest

from reasoning_jax.generators import (
    ChatEndpoint,
    Client,
    CompletionEndpoint,
    LocalGenerator,
    Request,
)
from reasoning_jax.sampling import SamplingParams

GREEDY = SamplingParams(max_tokens=6, temperature=0.0, n=1)


@pytest.fixture
def api(client):
    return Client(client.address + "/v1")


def test_endpoint_and_sampler_write_the_same(api, sampler, tokenizer):
    requests = [Request("1+2=", key=4), Request("3*3=", prefix="9", key=5)]
    local = LocalGenerator(sampler, tokenizer)
    ours = dict(local.stream(requests, GREEDY))
    theirs = dict(CompletionEndpoint(api, "tiny").stream(requests, GREEDY))
    for i in range(2):
        assert theirs[i][0].text == ours[i][0].text
        assert theirs[i][0].finish_reason == ours[i][0].finish_reason
    assert api.usage.answers == 2 and api.usage.completion_tokens > 0


def test_samples_differ_by_key_and_not_by_call(api):
    generator = CompletionEndpoint(api, "tiny")
    sampling = SamplingParams(max_tokens=6, n=4, seed=1)
    requests = [Request("1+2=", key=4), Request("1+2=", key=5)]
    first, second = (dict(generator.stream(requests, sampling)) for _ in range(2))
    assert first == second
    assert [out.text for out in first[0]] != [out.text for out in first[1]]


def test_chats_are_answered(api):
    chat = ChatEndpoint(api, "tiny", system="add", continuation="{prompt}{prefix}")
    requests = [Request("1+2", prefix="3", turns=(("user", "1"), ("assistant", "1")))]
    ((index, outs),) = chat.stream(requests, SamplingParams(max_tokens=4, n=2))
    assert index == 0 and len(outs) == 2
