import pytest

from reasoning_jax.generators import (
    ChatEndpoint,
    Client,
    CompletionEndpoint,
    EndpointError,
    Request,
)
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.types import Completion

SAMPLING = SamplingParams(max_tokens=9, temperature=0.5, n=2, seed=3, stop=("\n",))


def echo(body):
    """Two completions of what was asked, out of order, the second one cut."""
    asked = body.get("prompt") or body["messages"][-1]["content"]
    wrap = (lambda t: {"text": t}) if "prompt" in body else (lambda t: {"message": {"content": t}})
    return {
        "choices": [
            {"index": 1, "finish_reason": "length", **wrap(None)},
            {"index": 0, "finish_reason": "stop", **wrap(f"<{asked}>")},
        ]
    }


def test_texts_are_continued(endpoint):
    endpoint.script = [(200, {}, echo)]
    generator = CompletionEndpoint(Client(endpoint.url), "tiny", parallel=3)
    requests = [Request(f"{i}+1=", prefix="so ", key=i) for i in range(5)]
    outs = dict(generator.stream(requests, SAMPLING))
    assert generator.name == "tiny"
    assert outs == {
        i: [
            Completion(f"<{i}+1=so >", (), (), "stop"),
            Completion("", (), (), "length"),
        ]
        for i in range(5)
    }
    bodies = [body for _, _, body in endpoint.requests]
    assert {path for path, *_ in endpoint.requests} == {"/v1/completions"}
    assert len({body["seed"] for body in bodies}) == 5
    assert bodies[0] | {"prompt": "", "seed": 0} == {
        "model": "tiny",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 1.0,
        "n": 2,
        "stop": ["\n"],
        "prompt": "",
        "seed": 0,
    }


def test_messages_are_answered(endpoint):
    endpoint.script = [(200, {}, echo)]
    generator = ChatEndpoint(Client(endpoint.url), "tiny", system="add")
    turns = (("user", "1+1"), ("assistant", "2"))
    requests = [Request("Put {1} in {prefix}", "so {2}", turns), Request("2+2")]
    outs = dict(generator.stream(requests, SAMPLING))
    assert outs[1][0].text == "<2+2>"
    said = outs[0][0].text
    assert said.startswith("<Put {1} in {prefix}\n\nThis is the beginning")
    assert said.endswith("\n\nso {2}>")
    bodies = {len(body["messages"]): body for _, _, body in endpoint.requests}
    assert [m["role"] for m in bodies[4]["messages"]] == ["system", "user", "assistant", "user"]
    assert [m["role"] for m in bodies[2]["messages"]] == ["system", "user"]


def test_answers_that_hold_none_are_named(endpoint):
    generator = CompletionEndpoint(Client(endpoint.url), "tiny")
    endpoint.script = [(200, {}, {"choices": [{"index": 0, "text": "a"}]})]
    with pytest.raises(EndpointError, match="1 completions came for n = 2"):
        list(generator.stream([Request("1+1=")], SAMPLING))
    endpoint.script = [(200, {}, {"object": "error"})]
    with pytest.raises(EndpointError, match="no completions in the answer"):
        list(generator.stream([Request("1+1=")], SAMPLING))


def test_conversations_are_for_chats():
    generator = CompletionEndpoint(Client("http://127.0.0.1:1"), "tiny")
    with pytest.raises(ValueError, match="conversation of 2 messages"):
        list(generator.stream([Request("1+1", turns=(("system", "add"),))], SAMPLING))


def test_a_continuation_without_its_parts_is_refused():
    with pytest.raises(ValueError, match=r"must hold \{prefix\}"):
        ChatEndpoint(Client("http://127.0.0.1:1"), "tiny", continuation="{prompt}")
