"""Generators behind OpenAI's API: a server of one's own, or anybody's."""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reasoning_jax.generators.client import Client, EndpointError
from reasoning_jax.generators.generator import Request
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.types import Completion

CONTINUATION = (
    "{prompt}\n\nThis is the beginning of an answer. Write what follows it, and nothing of it "
    "again:\n\n{prefix}"
)


@dataclasses.dataclass(frozen=True)
class CompletionEndpoint:
    """Continues text, ``/completions``: what is written goes on from the prefix itself.

    Attributes:
      client: of the endpoint.
      model: its name there.
      parallel: requests at once.
    """

    client: Client
    model: str
    parallel: int = 8

    @property
    def name(self) -> str:
        """The model's."""
        return self.model

    def stream(
        self, requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """As in Generator; a ValueError for conversations, which text alone does not say."""
        for request in requests:
            if request.turns:
                raise ValueError(
                    f"a conversation of {len(request.turns) + 1} messages cannot be put to "
                    "/completions; take a ChatEndpoint"
                )

        def ask(request: Request) -> list[Completion]:
            body = {"prompt": request.prompt + request.prefix}
            answer = self.client.post("completions", _body(self.model, request, sampling) | body)
            return _read(answer, sampling.n, lambda choice: choice.get("text"))

        yield from _together(ask, requests, self.parallel)


@dataclasses.dataclass(frozen=True)
class ChatEndpoint:
    """Answers messages, ``/chat/completions``.

    Attributes:
      client, model, parallel: as in CompletionEndpoint.
      system: a message before those of every request; empty for none.
      continuation: what the user's message says where a response is begun, with {prompt} and
        {prefix}; chat models go on from a text only when told to.
    """

    client: Client
    model: str
    parallel: int = 8
    system: str = ""
    continuation: str = CONTINUATION

    def __post_init__(self):
        for part in ("{prompt}", "{prefix}"):
            if part not in self.continuation:
                raise ValueError(f"continuation is {self.continuation!r}; it must hold {part}")

    @property
    def name(self) -> str:
        """The model's."""
        return self.model

    def stream(
        self, requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """As in Generator."""

        def ask(request: Request) -> list[Completion]:
            body = {"messages": self._messages(request)}
            answer = self.client.post(
                "chat/completions", _body(self.model, request, sampling) | body
            )
            return _read(answer, sampling.n, lambda choice: choice["message"].get("content"))

        yield from _together(ask, requests, self.parallel)

    def _messages(self, request: Request) -> list[dict[str, str]]:
        text = request.prompt
        if request.prefix:
            # Not format(): problems hold braces of their own.
            before, _, after = self.continuation.partition("{prefix}")
            text = "".join(
                (
                    before.replace("{prompt}", request.prompt),
                    request.prefix,
                    after.replace("{prompt}", request.prompt),
                )
            )
        system = [("system", self.system)] if self.system else []
        turns = (*system, *request.turns, ("user", text))
        return [{"role": role, "content": content} for role, content in turns]


def _body(model: str, request: Request, sampling: SamplingParams) -> dict[str, Any]:
    body = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "n": sampling.n,
        # One number of both; endpoints take 32 bits.
        "seed": (sampling.seed * 1_000_003 + request.key) % (1 << 31),
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.top_k:
        body["top_k"] = sampling.top_k  # beyond OpenAI's own API; other servers know it
    return body


def _read(answer: dict, n: int, text: Callable[[dict], str | None]) -> list[Completion]:
    """The completions of an answer, in the order of their index."""
    try:
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        outs = [
            Completion(
                text(choice) or "",
                (),
                (),
                "stop" if choice.get("finish_reason") == "stop" else "length",
            )
            for choice in choices
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise EndpointError(f"no completions in the answer {answer!r}") from error
    if len(outs) != n:
        raise EndpointError(f"{len(outs)} completions came for n = {n}")
    return outs


def _together(
    ask: Callable[[Request], list[Completion]], requests: Sequence[Request], parallel: int
) -> Iterator[tuple[int, list[Completion]]]:
    """The completions of each request as they come, so many requests at once."""
    pool = concurrent.futures.ThreadPoolExecutor(max(1, parallel))
    try:
        futures = {pool.submit(ask, request): i for i, request in enumerate(requests)}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
