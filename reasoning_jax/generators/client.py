"""Requests to an endpoint: retried, spaced, kept on disk and counted."""

import dataclasses
import hashlib
import http.client
import json
import logging
import os
import pathlib
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from reasoning_jax.generators.usage import Usage

# Overloaded, or gone for a moment; anything else would fail again.
_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
_TOKENS = ("prompt_tokens", "completion_tokens")

_LOG = logging.getLogger(__name__)


class EndpointError(RuntimeError):
    """The endpoint refused a request, or failed for as long as it was tried."""


@dataclasses.dataclass(frozen=True)
class Retries:
    """When to try again.

    Attributes:
      attempts: at most, the first one included.
      first_seconds: mean pause before the second attempt; it doubles from one to the next.
      most_seconds: longest pause, also where the endpoint asks for a longer one.
    """

    attempts: int = 6
    first_seconds: float = 1.0
    most_seconds: float = 60.0

    def __post_init__(self):
        if self.attempts < 1 or self.first_seconds < 0 or self.most_seconds < 0:
            raise ValueError(f"{self}: at least 1 attempt, and no negative seconds")

    def pause(self, failures: int, asked: float | None) -> float:
        """Seconds after so many failures; ``asked`` is what the endpoint wants to be waited."""
        doubled = self.first_seconds * 2 ** (failures - 1)
        # Spread, so that clients that failed together do not come again together.
        own = doubled * random.uniform(0.5, 1.5)
        return min(self.most_seconds, own if asked is None else max(own, asked))


class Client:
    """Posts JSON to an endpoint; may be used from several threads at once.

    Args:
      url: base of the endpoint, such as ``http://127.0.0.1:8000/v1``.
      api_key: sent as a bearer token; empty for none. It is never written to disk.
      cache: folder of answers by request, or None. A request that it holds is not sent again,
        so a program that was interrupted pays for nothing twice.
      per_minute: most requests in a minute; 0 is no limit.
      retries: of requests that fail for a passing reason.
      timeout_seconds: of one attempt.
      sleep: waits so many seconds; tests give their own.
    """

    def __init__(
        self,
        url: str,
        api_key: str = "",
        *,
        cache: str | os.PathLike | None = None,
        per_minute: float = 0,
        retries: Retries = Retries(),
        timeout_seconds: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
    ):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url is {url!r}; it must begin with http:// or https://")
        if per_minute < 0:
            raise ValueError(f"per_minute is {per_minute}; 0 is no limit")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._cache = None if cache is None else pathlib.Path(cache)
        self._interval = 60 / per_minute if per_minute else 0.0
        self._retries, self._timeout, self._sleep = retries, timeout_seconds, sleep
        self._lock = threading.Lock()
        self._next_start = 0.0
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        with self._lock:
            return self._usage

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer to a request.

        Raises:
          EndpointError: it was refused, or every attempt failed.
        """
        kept = self._kept(path, body)
        if kept is not None and kept.exists():
            self._count(cached=1)
            return json.loads(kept.read_bytes())["answer"]
        answer = self._ask(path, body)
        usage = answer.get("usage") or {}
        counts = {
            name: int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")
        }
        self._count(answers=1, **counts)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = kept.with_name(f"{kept.name}.{os.getpid()}.{threading.get_ident()}")
            unfinished.write_text(json.dumps({"path": path, "body": body, "answer": answer}))
            unfinished.replace(kept)
        return answer

    def _kept(self, path: str, body: Mapping[str, Any]) -> pathlib.Path | None:
        if self._cache is None:
            return None
        request = json.dumps([self._url, path, body], sort_keys=True)
        key = hashlib.sha256(request.encode()).hexdigest()
        return self._cache / key[:2] / f"{key}.json"

    def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        where, data = f"{self._url}/{path}", json.dumps(body).encode()
        for failures in range(1, self._retries.attempts + 1):
            self._wait_for_turn()
            asked = None
            try:
                request = urllib.request.Request(where, data, self._headers)
                with urllib.request.urlopen(request, timeout=self._timeout) as response:
                    answer = json.loads(response.read())
                if not isinstance(answer, dict):
                    raise ValueError(f"the answer is no JSON object: {answer!r}")
                return answer
            except urllib.error.HTTPError as error:
                fault = f"status {error.code}: {_message(error.read())}"
                if error.code not in _PASSING:
                    raise EndpointError(f"{where} refused a request, {fault}") from error
                asked = _seconds(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException, ValueError) as error:
                fault = f"{type(error).__name__}: {error}"
            if failures < self._retries.attempts:
                self._count(retries=1)
                pause = self._retries.pause(failures, asked)
                _LOG.warning("%s: %s; once more in %.1f s", where, fault, pause)
                self._sleep(pause)
        raise EndpointError(f"{where} failed {self._retries.attempts} times, at last with {fault}")

    def _wait_for_turn(self) -> None:
        if not self._interval:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self._interval
        if start > now:
            self._sleep(start - now)

    def _count(self, **counts: int) -> None:
        with self._lock:
            self._usage = self._usage.plus(**counts)


def _message(data: bytes) -> str:
    """What an error's body says, in OpenAI's shape or any other."""
    text = data.decode(errors="replace")
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:  # a date
        return None
