import json
import socket

import pytest

from reasoning_jax.generators import Client, EndpointError, Retries, Usage

ANSWER = {"text": "5", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
BUSY = (429, {}, {"error": {"message": "slow down"}})


def make_client(endpoint, **options):
    pauses = []
    client = Client(endpoint.url, sleep=pauses.append, **options)
    return client, pauses


def test_an_answer_is_counted(endpoint):
    endpoint.script = [(200, {}, ANSWER)]
    client, pauses = make_client(endpoint, api_key="secret")
    assert client.post("completions", {"n": 1}) == ANSWER
    ((path, headers, body),) = endpoint.requests
    assert (path, body) == ("/v1/completions", {"n": 1})
    assert headers["Authorization"] == "Bearer secret"
    assert client.usage == Usage(answers=1, prompt_tokens=7, completion_tokens=2)
    assert client.usage.cost(2.0, 10.0) == pytest.approx((7 * 2 + 2 * 10) / 1e6)
    assert pauses == []


def test_passing_faults_are_tried_again_with_growing_pauses(endpoint):
    broken = (200, {}, b"{")
    endpoint.script = [BUSY, (503, {"Retry-After": "9"}, b"down"), broken, (200, {}, ANSWER)]
    client, pauses = make_client(endpoint, retries=Retries(first_seconds=1.0, most_seconds=60.0))
    assert client.post("completions", {}) == ANSWER
    assert client.usage.retries == 3 and len(endpoint.requests) == 4
    first, second, third = pauses
    assert 0.5 <= first <= 1.5 and second == 9.0 and 2.0 <= third <= 6.0


def test_it_gives_up_in_the_end(endpoint):
    endpoint.script = [BUSY]
    client, pauses = make_client(endpoint, retries=Retries(attempts=3))
    with pytest.raises(EndpointError, match="failed 3 times, at last with status 429: slow down"):
        client.post("completions", {})
    assert len(endpoint.requests) == 3 and len(pauses) == 2


def test_a_refusal_is_not_tried_again(endpoint):
    endpoint.script = [(401, {}, {"error": {"message": "wrong key"}})]
    client, _ = make_client(endpoint)
    with pytest.raises(EndpointError, match="refused a request, status 401: wrong key"):
        client.post("completions", {})
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_is_not_there_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", retries=Retries(attempts=2), sleep=lambda _: None)
    with pytest.raises(EndpointError, match=f"127.0.0.1:{port}/completions failed 2 times"):
        client.post("completions", {})


def test_what_was_answered_is_not_asked_again(endpoint, tmp_path):
    endpoint.script = [(200, {}, ANSWER), (200, {}, {"text": "6"})]
    client, _ = make_client(endpoint, cache=tmp_path, api_key="secret")
    assert client.post("completions", {"a": 1, "b": 2}) == ANSWER
    again, _ = make_client(endpoint, cache=tmp_path)
    assert again.post("completions", {"b": 2, "a": 1}) == ANSWER
    assert again.usage == Usage(cached=1) and len(endpoint.requests) == 1
    assert again.post("completions", {"a": 1, "b": 3}) == {"text": "6"}
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("*/*")]
    assert len(kept) == 2 and "secret" not in json.dumps(kept)


def test_failures_are_not_kept(endpoint, tmp_path):
    endpoint.script = [BUSY]
    client, _ = make_client(endpoint, cache=tmp_path, retries=Retries(attempts=1))
    with pytest.raises(EndpointError):
        client.post("completions", {})
    assert not list(tmp_path.glob("*/*"))


def test_requests_are_spaced(endpoint):
    endpoint.script = [(200, {}, ANSWER)]
    client, pauses = make_client(endpoint, per_minute=1)
    for _ in range(3):
        client.post("completions", {})
    # Nobody really slept, so the waits add up.
    first, second = pauses
    assert 55 < first <= 60 and 115 < second <= 120


@pytest.mark.parametrize(
    "make, fault",
    [
        (lambda: Client("localhost:8000"), "must begin with http"),
        (lambda: Client("http://localhost", per_minute=-1), "per_minute is -1"),
        (lambda: Retries(attempts=0), "at least 1 attempt"),
    ],
)
def test_what_cannot_work_is_refused(make, fault):
    with pytest.raises(ValueError, match=fault):
        make()
