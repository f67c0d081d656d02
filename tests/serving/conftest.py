"""One tiny decoder with peaked distributions, what serves it, and a client of it."""

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request

import jax
import pytest

from reasoning_jax.models import Transformer, init_params, preset
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Sampler, SamplingParams
from reasoning_jax.serving import Batcher, RowWriter, Rules, Scorer
from reasoning_jax.serving.chat import chat_encoder
from reasoning_jax.text import ChatTemplate
from reasoning_jax.text.char import CharTokenizer

CONTEXT = 64
TURNS = ChatTemplate(
    "{% for m in messages %}={{ m.content }}{% endfor %}{% if add_generation_prompt %}*{% endif %}"
)


@pytest.fixture(scope="session")
def tokenizer():
    return CharTokenizer("0123456789+-*= abcdefghij")  # 25 characters and 2 special ids


@pytest.fixture(scope="session")
def config():
    sizes = {"d_model": 32, "head_dim": 8, "n_kv_heads": 2, "d_ff": 48, "max_position": CONTEXT}
    return preset("nano", 32, sizes)


@pytest.fixture(scope="session")
def params(config):
    params = init_params(config, jax.random.key(0))
    # At the initial scale every distribution is nearly uniform; here some tokens are likelier.
    return params | {"embedding": 5 * params["embedding"]}


@pytest.fixture(scope="session")
def sampler(config, params, tokenizer):
    return Sampler(config, params, tokenizer)


@pytest.fixture(scope="session")
def scorer(config, params, tokenizer):
    mesh = make_mesh(devices=jax.devices()[:1])
    return Scorer(Transformer(config, mesh=mesh), params, mesh, tokenizer.vocab_size)


@pytest.fixture(scope="session")
def writer(sampler):
    return RowWriter(sampler, rows=16)


@pytest.fixture(scope="session")
def rules(tokenizer):
    return Rules(
        names=("tiny", "folder/tiny"),
        tokenizer=tokenizer,
        context=CONTEXT,
        max_tokens=50,
        max_rows=16,
        defaults=SamplingParams(max_tokens=8),
        chat=chat_encoder(tokenizer, TURNS),
    )


class Client:
    """Plain HTTP, as any client speaks it."""

    def __init__(self, address: str, key: str = ""):
        self.address = address
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def call(self, path: str, body=None) -> tuple[int, dict]:
        """(status, JSON) of a GET, or of a POST of a body: JSON, or bytes as they are."""
        status, data = self.raw(path, body)
        return status, json.loads(data)

    def raw(self, path: str, body=None) -> tuple[int, bytes]:
        """(status, bytes) of an answer."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def complete(self, prompt, **body) -> dict:
        """The answer to a completion that must succeed."""
        status, answer = self.call("/v1/completions", {"prompt": prompt, **body})
        assert status == 200, answer
        return answer

    def events(self, path: str, body: dict) -> list[dict]:
        """The events of a stream, which must end in [DONE]."""
        status, data = self.raw(path, body | {"stream": True})
        assert status == 200, data
        lines = data.decode().strip().split("\n\n")
        assert all(line.startswith("data: ") for line in lines)
        assert lines[-1] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@contextlib.contextmanager
def serving(batcher: Batcher, rules: Rules, **options):
    """A client's view of the application on a free port, in a thread of its own."""
    import asyncio

    from aiohttp import web

    from reasoning_jax.serving.app import build_app

    loop, ready = asyncio.new_event_loop(), threading.Event()
    taken = socket.create_server(("127.0.0.1", 0))
    runner = web.AppRunner(build_app(batcher, rules, **options), handler_cancellation=True)

    async def begin() -> None:
        await runner.setup()
        await web.SockSite(runner, taken).start()
        ready.set()

    def run() -> None:
        loop.create_task(begin())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    batcher.close(30)


@pytest.fixture(scope="session")
def client(writer, scorer, rules):
    pytest.importorskip("aiohttp")
    batcher = Batcher(writer, scorer, max_rows=16, max_waiting=64)
    with serving(batcher, rules) as address:
        yield Client(address)
