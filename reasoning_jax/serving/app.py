"""The HTTP side: routes, keys, limits, events."""

import asyncio
import contextlib
import dataclasses
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from absl import logging

from reasoning_jax.serving.batcher import Batcher
from reasoning_jax.serving.errors import RequestError
from reasoning_jax.serving.job import Written
from reasoning_jax.serving.request import Asked, Rules, read_chat, read_completion
from reasoning_jax.serving.response import chat_choices, completion_choices, usage

try:
    from aiohttp import web
except ImportError as error:
    raise ImportError(
        "the server needs aiohttp, which is in the extra serve: pip install 'reasoning-jax[serve]'"
    ) from error

_OPEN = ("/health",)


@dataclasses.dataclass(frozen=True)
class _Endpoint:
    """How one of the two ways to ask reads and answers.

    Attributes:
      read: body and rules -> what is asked.
      choices: of an answer.
      prefix: of its id.
      kind, chunk_kind: ``object`` of an answer and of an event.
      opening: (prompt) -> the part of a choice in its first event, or None for no such event.
      part: (text) -> the part of a choice with more text.
    """

    read: Callable[[Any, Rules], Asked]
    choices: Callable[..., list[dict[str, Any]]]
    prefix: str
    kind: str
    chunk_kind: str
    opening: Callable[[str], dict[str, Any] | None]
    part: Callable[[str], dict[str, Any]]


_COMPLETIONS = _Endpoint(
    read=read_completion,
    choices=completion_choices,
    prefix="cmpl",
    kind="text_completion",
    chunk_kind="text_completion",
    opening=lambda prompt: {"text": prompt} if prompt else None,
    part=lambda text: {"text": text},
)
_CHAT = _Endpoint(
    read=read_chat,
    choices=chat_choices,
    prefix="chatcmpl",
    kind="chat.completion",
    chunk_kind="chat.completion.chunk",
    opening=lambda _: {"delta": {"role": "assistant", "content": ""}},
    part=lambda text: {"delta": {"content": text} if text else {}},
)


def build_app(
    batcher: Batcher, rules: Rules, api_key: str = "", max_body_bytes: int = 4 << 20
) -> web.Application:
    """The application: completions, chat completions, models and health.

    Run it with ``handler_cancellation=True``, so that work nobody waits for ends.

    Args:
      api_key: that clients must give as a bearer token; empty for none.
      max_body_bytes: larger bodies are refused with status 413.
    """
    started = int(time.time())

    async def completions(request: web.Request) -> web.StreamResponse:
        return await _answer(request, batcher, rules, _COMPLETIONS)

    async def chat(request: web.Request) -> web.StreamResponse:
        return await _answer(request, batcher, rules, _CHAT)

    def model() -> dict[str, Any]:
        return {
            "id": rules.names[0],
            "object": "model",
            "created": started,
            "owned_by": "reasoning_jax",
            "max_model_len": rules.context,
        }

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [model()]})

    async def one_model(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in rules.names:
            raise RequestError(f"there is no model {name!r} here", 404, "model", "model_not_found")
        return web.json_response(model())

    async def health(_: web.Request) -> web.Response:
        status = {"status": "ok" if batcher.alive else "closing", **batcher.status()}
        return web.json_response(status, status=200 if batcher.alive else 503)

    app = web.Application(
        middlewares=[_in_openai_shape, _with_key(api_key)], client_max_size=max_body_bytes
    )
    app.add_routes(
        [
            web.post("/v1/completions", completions),
            web.post("/v1/chat/completions", chat),
            web.get("/v1/models", models),
            web.get("/v1/models/{name:.+}", one_model),
            web.get("/health", health),
        ]
    )
    return app


@web.middleware
async def _in_openai_shape(request: web.Request, handler) -> web.StreamResponse:
    """Turns whatever a handler raises into an error body."""
    try:
        return await handler(request)
    except RequestError as error:
        found = error
    except web.HTTPException as error:
        found = RequestError(f"{request.method} {request.path}: {error.reason}", error.status)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:  # the client gets an answer, the log the reason
        logging.exception("%s failed", request.path)
        found = RequestError(f"the model failed: {type(error).__name__}", 500)
    headers = {"WWW-Authenticate": "Bearer"} if found.status == 401 else {}
    if found.status in (429, 503):
        headers["Retry-After"] = "1"
    return web.json_response(found.body(), status=found.status, headers=headers)


def _with_key(api_key: str):
    @web.middleware
    async def check(request: web.Request, handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        # Compared as bytes: strings beyond ASCII raise.
        right = hmac.compare_digest(given.encode("utf-8", "replace"), api_key.encode())
        if api_key and request.path not in _OPEN and not right:
            raise RequestError(
                "give the API key as 'Authorization: Bearer KEY'", 401, code="invalid_api_key"
            )
        return await handler(request)

    return check


async def _answer(
    request: web.Request, batcher: Batcher, rules: Rules, endpoint: _Endpoint
) -> web.StreamResponse:
    asked = endpoint.read(await _json(request), rules)
    head = {
        "id": f"{endpoint.prefix}-{secrets.token_hex(12)}",
        "object": endpoint.kind,
        "created": int(time.time()),
        "model": rules.names[0],
    }
    if asked.stream:
        head["object"] = endpoint.chunk_kind
        return await _stream(request, batcher, asked, endpoint, head)
    tickets = batcher.submit(asked.jobs)
    try:
        outs = await asyncio.gather(*(asyncio.wrap_future(ticket.future) for ticket in tickets))
    finally:
        for ticket in tickets:
            ticket.abandon()
    # Spelling out log-probabilities of long rows takes a while: not in the loop.
    choices = await asyncio.to_thread(endpoint.choices, asked, outs, rules.tokenizer)
    return web.json_response(head | {"choices": choices, "usage": usage(asked, outs)})


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from error


async def _stream(
    request: web.Request, batcher: Batcher, asked: Asked, endpoint: _Endpoint, head: dict
) -> web.StreamResponse:
    """Events: an opening of each choice, its text as it comes, its reason to end, [DONE]."""
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[tuple[int, int | None, str]] = asyncio.Queue()

    def post(*item) -> None:
        # The loop may have ended before the worker.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(news.put_nowait, item)

    tickets = batcher.submit(asked.jobs, post)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )

    async def send(event: dict | str) -> None:
        data = event if isinstance(event, str) else json.dumps(event)
        await response.write(f"data: {data}\n\n".encode())

    async def send_choice(index: int, part: dict, reason: str | None = None) -> None:
        choice = {"index": index, **part, "logprobs": None, "finish_reason": reason}
        await send(head | {"choices": [choice]})

    try:
        await response.prepare(request)
        for i, (job, prompt) in enumerate(zip(asked.jobs, asked.prompts)):
            opening = endpoint.opening(prompt if asked.echo else "")
            for index in range(i * job.n, (i + 1) * job.n):
                if opening is not None:
                    await send_choice(index, opening)
        for i, ticket in enumerate(tickets):
            ticket.future.add_done_callback(lambda _, i=i: post(i, None, ""))
        left = len(tickets)
        while left:
            i, sample, text = await news.get()
            if sample is not None:
                await send_choice(i * asked.jobs[i].n + sample, endpoint.part(text))
                continue
            left -= 1
            for sample, out in enumerate(tickets[i].future.result()):
                index = i * asked.jobs[i].n + sample
                await send_choice(index, endpoint.part(""), out.finish_reason)
        if asked.include_usage:
            outs: list[list[Written]] = [ticket.future.result() for ticket in tickets]
            await send(head | {"choices": [], "usage": usage(asked, outs)})
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:  # the status is sent already: only an event can tell
        logging.exception("%s failed", request.path)
        await send(RequestError(f"the model failed: {type(error).__name__}", 500).body())
    finally:
        for ticket in tickets:
            ticket.abandon()
    await send("[DONE]")
    await response.write_eof()
    return response
