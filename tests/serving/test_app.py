"""The server over real HTTP, against the sampler and the scorer it stands on."""

import concurrent.futures
import json
import threading
import time

import numpy as np
import pytest

pytest.importorskip("aiohttp")

from reasoning_jax.models import Transformer, token_logprobs
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.serving import Batcher, Written

from .conftest import Client, serving

SAMPLED = {"temperature": 0.9, "seed": 3, "max_tokens": 12}


def own(sampler, prompt, seed=0, **sampling):
    """What the sampler writes by itself for a request of one prompt."""
    return sampler.generate([prompt], SamplingParams(max_tokens=12, **sampling), [seed])[0]


def test_completions_are_those_of_the_sampler(client, sampler):
    answer = client.complete(["1+2=", "abc"], n=2, top_p=0.9, **SAMPLED)
    sampling = SamplingParams(max_tokens=12, temperature=0.9, top_p=0.9, n=2)
    both = sampler.generate(["1+2=", "abc"], sampling, [3, 3 + 0x9E3779B9])
    outs = [out for samples in both for out in samples]
    assert [choice["text"] for choice in answer["choices"]] == [out.text for out in outs]
    assert [c["finish_reason"] for c in answer["choices"]] == [out.finish_reason for out in outs]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    written = sum(len(out.tokens) for out in outs)
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": written,
        "total_tokens": 7 + written,
    }
    assert answer["object"] == "text_completion" and answer["model"] == "tiny"


def test_prompts_of_ids_and_what_a_request_leaves_out(client, sampler, tokenizer):
    ids = tokenizer.encode("12*3")
    for prompt in (ids, [ids], "12*3", ["12*3"]):
        (choice,) = client.complete(prompt, temperature=0)["choices"]
        # The default of 8 tokens.
        assert choice["text"] == own(sampler, "12*3", temperature=0)[0].text[:8]
        assert choice["logprobs"] is None
    texts = {client.complete("1", max_tokens=12)["choices"][0]["text"] for _ in range(4)}
    assert len(texts) > 1  # without a seed


def test_stop_strings(client, sampler):
    whole = own(sampler, "abc", temperature=0)[0].text
    stop = whole[5:7]
    (choice,) = client.complete("abc", temperature=0, max_tokens=12, stop=stop)["choices"]
    assert choice["text"] == whole[: whole.index(stop)] and choice["finish_reason"] == "stop"


def test_echo_gives_the_logprobs_of_the_model(client, config, params, tokenizer):
    text = "12*3= 4-5abc"
    answer = client.complete(text, echo=True, max_tokens=0, logprobs=1, temperature=0)
    (choice,) = answer["choices"]
    columns = choice["logprobs"]
    ids = np.array([tokenizer.encode(text)])
    expected = token_logprobs(Transformer(config), params, ids).logprobs[0]
    assert choice["text"] == text and "".join(columns["tokens"]) == text
    assert columns["text_offset"] == list(range(len(text)))
    assert columns["token_logprobs"][0] is None and columns["top_logprobs"][0] is None
    np.testing.assert_allclose(columns["token_logprobs"][1:], expected[1:], atol=2e-6)
    logits = Transformer(config).apply({"params": params}, ids)[0, :-1, : tokenizer.vocab_size]
    for row, value, top in zip(logits, columns["token_logprobs"][1:], columns["top_logprobs"][1:]):
        # What lm-evaluation-harness asks: whether the token is the greedy one.
        token = tokenizer.encode(text)[columns["token_logprobs"].index(value)]
        assert (value == max(top.values())) == (token == int(np.argmax(row)))
    assert answer["usage"]["completion_tokens"] == 0


def test_loglikelihood_with_a_token_to_drop(client):
    body = {"echo": True, "logprobs": 1, "temperature": 0, "seed": 1234}
    scored = client.complete("1+2=3", max_tokens=0, **body)["choices"][0]["logprobs"]
    longer = client.complete("1+2=3", max_tokens=1, **body)["choices"][0]["logprobs"]
    np.testing.assert_allclose(longer["token_logprobs"][1:-1], scored["token_logprobs"][1:])
    assert len(longer["top_logprobs"]) == 6


def test_logprobs_of_what_was_written(client, sampler):
    (out,) = own(sampler, "1+2=", 3, temperature=1.0)
    body = {"seed": 3, "max_tokens": 12, "temperature": 1.0}
    (choice,) = client.complete("1+2=", logprobs=0, **body)["choices"]
    columns = choice["logprobs"]
    np.testing.assert_allclose(columns["token_logprobs"], out.logprobs, atol=1e-5)
    assert columns["top_logprobs"] is None and "".join(columns["tokens"]) == out.text
    (choice,) = client.complete("1+2=", logprobs=0, echo=True, **body)["choices"]
    assert choice["text"] == "1+2=" + out.text and choice["logprobs"]["text_offset"][4] == 4
    chat = {"messages": [{"role": "user", "content": "1+2"}], "seed": 3, "max_tokens": 5}
    _, answer = client.call("/v1/chat/completions", chat | {"logprobs": True, "top_logprobs": 2})
    content = answer["choices"][0]["logprobs"]["content"]
    assert [len(entry["top_logprobs"]) for entry in content] == [2] * len(content)
    best = content[0]["top_logprobs"]
    assert best[0]["logprob"] >= best[1]["logprob"] and content[0]["logprob"] <= best[0]["logprob"]


def test_chat_puts_messages_through_the_template(client, sampler):
    messages = [
        {"role": "user", "content": "1+2"},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "5"}]},
    ]
    status, answer = client.call("/v1/chat/completions", {"messages": messages, **SAMPLED})
    (out,) = own(sampler, "=1+2=3=45*", 3, temperature=0.9)
    assert status == 200 and answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": out.text}


@pytest.mark.parametrize("stop", [None, ["8", "9j"]], ids=["no stop", "stops"])
def test_streamed_parts_join_to_the_same_text(client, stop):
    body = {"prompt": ["abc", "1"], "n": 2, "seed": 7, "max_tokens": 45, "stop": stop}
    whole = client.complete(**body)
    events = client.events("/v1/completions", body | {"stream_options": {"include_usage": True}})
    *parts, last = events
    assert last["choices"] == [] and last["usage"] == whole["usage"]
    for choice in whole["choices"]:
        mine = [e["choices"][0] for e in parts if e["choices"][0]["index"] == choice["index"]]
        assert "".join(part["text"] for part in mine) == choice["text"]
        assert [part["finish_reason"] for part in mine[:-1]] == [None] * (len(mine) - 1)
        assert mine[-1]["finish_reason"] == choice["finish_reason"]
    if stop is None:
        assert len(parts) > 8  # in several segments
    assert len({event["id"] for event in events}) == 1


def test_streamed_chat_and_echo(client):
    chat = {"messages": [{"role": "user", "content": "1+2"}], **SAMPLED}
    _, whole = client.call("/v1/chat/completions", chat)
    first, *rest = [e["choices"][0]["delta"] for e in client.events("/v1/chat/completions", chat)]
    assert first == {"role": "assistant", "content": ""}
    joined = "".join(delta.get("content", "") for delta in rest)
    assert joined == whole["choices"][0]["message"]["content"] and rest[-1] == {}
    echoed = client.events("/v1/completions", {"prompt": "1+2=", "echo": True, **SAMPLED})
    text = client.complete("1+2=", echo=True, **SAMPLED)["choices"][0]["text"]
    assert "".join(event["choices"][0]["text"] for event in echoed) == text


def test_many_clients_get_what_each_would_alone(client, sampler):
    _, before = client.call("/health")

    def ask(seed: int) -> str:
        body = {"seed": seed, "max_tokens": 4 + seed, "temperature": 1.0}
        return client.complete("abc"[: 1 + seed % 3], **body)["choices"][0]["text"]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        texts = list(pool.map(ask, range(32)))
    _, after = client.call("/health")
    assert after["batches"] - before["batches"] < 32
    assert after["waiting"] == 0
    prompts = ["abc"[: 1 + seed % 3] for seed in range(32)]
    longest = sampler.generate(prompts, SamplingParams(max_tokens=35), range(32))
    decode = sampler.tokenizer.decode
    alone = [decode(out.tokens[: 4 + seed]) for seed, (out,) in enumerate(longest)]
    assert texts == alone


CHAT = "/v1/chat/completions"
LONG = "1" * 60


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/completions", b"{", 400, "not JSON"),
        ("/v1/completions", b"\xff", 400, "not JSON"),
        ("/v1/completions", b"[" * 100000, 400, "not JSON"),
        ("/v1/completions", [], 400, "not a JSON object"),
        ("/v1/completions", {}, 400, "prompt must be"),
        ("/v1/completions", {"prompt": []}, 400, "prompt must be"),
        ("/v1/completions", {"prompt": ""}, 400, "prompt 0 is empty"),
        ("/v1/completions", {"prompt": ["1", 2]}, 400, "prompt 1 is neither"),
        ("/v1/completions", {"prompt": "?"}, 400, "not in the alphabet"),
        ("/v1/completions", {"prompt": "\ud800"}, 400, "not in the alphabet"),
        ("/v1/completions", {"prompt": [1, 27]}, 400, "id 27 is outside the vocabulary"),
        ("/v1/completions", {"prompt": [10**30]}, 400, "outside the vocabulary"),
        ("/v1/completions", {"prompt": "1", "model": "other"}, 404, "no model 'other'"),
        ("/v1/completions", {"prompt": "1", "max_tokens": 51}, 400, "[0, 50]"),
        ("/v1/completions", {"prompt": "1", "max_tokens": 0}, 400, "nothing to answer"),
        ("/v1/completions", {"prompt": "1", "max_tokens": "8"}, 400, "max_tokens is '8'"),
        ("/v1/completions", {"prompt": LONG, "max_tokens": 9}, 400, "exceeds the context of 64"),
        ("/v1/completions", {"prompt": 2 * LONG}, 400, "exceeds the context of 64"),
        ("/v1/completions", {"prompt": "1", "n": 17}, 400, "n is 17"),
        ("/v1/completions", {"prompt": "1", "n": True}, 400, "n is True"),
        ("/v1/completions", {"prompt": "1", "best_of": 2}, 400, "best_of is 2"),
        ("/v1/completions", {"prompt": "1", "temperature": -1}, 400, "temperature is -1"),
        ("/v1/completions", b'{"prompt": "1", "temperature": NaN}', 400, "temperature is nan"),
        ("/v1/completions", {"prompt": "1", "temperature": 10**400}, 400, "temperature is 1"),
        ("/v1/completions", {"prompt": "1", "top_p": 0}, 400, "top_p is 0"),
        ("/v1/completions", {"prompt": "1", "stop": [""]}, 400, "stop is ['']"),
        ("/v1/completions", {"prompt": "1", "stop": ["a"] * 17}, 400, "at most 16"),
        ("/v1/completions", {"prompt": "1", "seed": 0.5}, 400, "seed is 0.5"),
        ("/v1/completions", {"prompt": "1", "logprobs": 21}, 400, "logprobs is 21"),
        ("/v1/completions", {"prompt": "1", "stream": 1}, 400, "stream is 1"),
        ("/v1/completions", {"prompt": "1", "stream": True, "logprobs": 1}, 400, "not streamed"),
        ("/v1/completions", {"prompt": "1", "suffix": "2"}, 400, "suffix is not supported"),
        ("/v1/completions", {"prompt": "1" * (1 << 17)}, 413, "Too Large"),
        (CHAT, {}, 400, "messages are None"),
        (CHAT, {"messages": "hi"}, 400, "messages are 'hi'"),
        (CHAT, {"messages": [{"role": "user"}]}, 400, "content None"),
        (CHAT, {"messages": [{"content": "1"}]}, 400, "role None"),
        (CHAT, {"messages": [1]}, 400, "messages[0] is 1"),
        (CHAT, {"messages": [{"role": "user", "content": "1"}], "tools": [1]}, 400, "tools is not"),
        (CHAT, {"messages": [{"role": "user", "content": "1"}], "top_logprobs": 1}, 400, "needs"),
        ("/v1/completions", None, 405, "Not Allowed"),
        ("/v1/embeddings", {}, 404, "Not Found"),
        ("/v1/models/other", None, 404, "no model 'other'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_requests_are_told_why(small_client, path, body, status, said):
    got, answer = small_client.call(path, body)
    assert got == status, answer
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert said in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"


def test_models_and_health(client):
    status, answer = client.call("/v1/models")
    assert status == 200 and [model["id"] for model in answer["data"]] == ["tiny"]
    assert client.call("/v1/models/tiny")[1] == answer["data"][0]
    assert client.call("/v1/models/folder/tiny")[0] == 200
    status, answer = client.call("/health")
    assert status == 200 and answer["status"] == "ok"
    assert client.complete("1", model="folder/tiny")["model"] == "tiny"


class Held:
    """A writer that waits to be let go, fails when told to, and notes what it was given."""

    def __init__(self):
        self.go = threading.Event()
        self.batches: list[int] = []
        self.gave_up = threading.Event()
        self.error: Exception | None = None

    def write(self, jobs, show, wanted, join):
        self.batches.append(len(jobs))
        while not self.go.wait(0.01):
            if not any(wanted(i) for i in range(len(jobs))):
                self.gave_up.set()
                break
        if self.error is not None:
            raise self.error
        for i, job in enumerate(jobs):
            yield i, [Written("x", (5,), "stop")] * job.n


@pytest.fixture
def held(scorer, rules):
    writer = Held()
    batcher = Batcher(writer, scorer, max_rows=4, max_waiting=3)
    with serving(batcher, rules, api_key="s€cret") as address:
        yield writer, batcher, address
        writer.go.set()


@pytest.fixture(scope="module")
def small_client(scorer, rules):
    """A client of a server that takes small bodies and never gets to write."""
    with serving(Batcher(Held(), scorer, 4, 4), rules, max_body_bytes=1 << 17) as address:
        yield Client(address)


def eventually(holds):
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_keys(held):
    writer, _, address = held
    writer.go.set()
    for key in ("", "wrong", "s€cre"):
        if key.isascii():
            status, answer = Client(address, key).call("/v1/completions", {"prompt": "1"})
            assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
    assert Client(address).call("/health")[0] == 200
    right = Client(address, "s€cret".encode().decode("latin-1"))
    assert right.complete("1")["choices"][0]["text"] == "x"


def test_a_full_queue_is_refused_and_the_rest_is_done(held):
    writer, batcher, address = held
    client = Client(address, "s€cret".encode().decode("latin-1"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = pool.submit(client.complete, "1")
        eventually(lambda: batcher.status()["running"] == 1)
        waiting = [pool.submit(client.complete, "1") for _ in range(3)]
        eventually(lambda: batcher.status()["waiting"] == 3)
        status, answer = client.call("/v1/completions", {"prompt": "1"})
        assert (status, answer["error"]["code"]) == (429, "queue_full")
        assert answer["error"]["type"] == "rate_limit_error"
        writer.go.set()
        assert all(future.result()["choices"] for future in (first, *waiting))
    assert writer.batches == [1, 3]


def test_a_batch_that_fails_is_an_error_of_the_server_and_the_next_one_runs(held):
    writer, _, address = held
    client = Client(address, "s€cret".encode().decode("latin-1"))
    writer.go.set()
    writer.error = ValueError("secret detail")
    status, answer = client.call("/v1/completions", {"prompt": "1"})
    assert (status, answer["error"]["type"]) == (500, "server_error")
    assert "secret detail" not in json.dumps(answer)
    (event,) = client.events("/v1/completions", {"prompt": "1"})
    assert event["error"]["type"] == "server_error"
    writer.error = None
    assert client.complete("1")["choices"][0]["text"] == "x"


def test_work_nobody_waits_for_ends(held):
    import http.client

    writer, batcher, address = held
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    key = "s€cret".encode().decode("latin-1")
    connection.request(
        "POST", "/v1/completions", json.dumps({"prompt": "1"}), {"Authorization": f"Bearer {key}"}
    )
    eventually(lambda: batcher.status()["running"] == 1)
    connection.close()
    assert writer.gave_up.wait(30)
