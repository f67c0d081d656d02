"""From the JSON of a request to jobs: everything is checked here."""

import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reasoning_jax.sampling import SamplingParams
from reasoning_jax.serving import fields
from reasoning_jax.serving.errors import RequestError
from reasoning_jax.serving.job import Job, Settings
from reasoning_jax.serving.score import MAX_TOP
from reasoning_jax.text import Tokenizer

_MOST_STOPS = 16
_MOST_PROMPTS = 1024
# What cannot be done, with the values that ask for nothing.
_UNSUPPORTED = {
    "suffix": (None, ""),
    "logit_bias": (None, {}),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "tools": (None, []),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
}

Encode = Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], list[int]]
"""encode(messages, variables of the template) -> ids; raises ValueError."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the server grants.

    Attributes:
      names: that the model goes by, the first one in answers.
      tokenizer: of prompts that are text.
      context: most tokens of prompt and completion together.
      max_tokens: most tokens of a completion.
      max_rows: most completions of a prompt.
      defaults: what a request leaves out.
      chat: turns messages into ids, or None where the model has no template.
    """

    names: tuple[str, ...]
    tokenizer: Tokenizer
    context: int
    max_tokens: int
    max_rows: int
    defaults: SamplingParams
    chat: Encode | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request, understood.

    Attributes:
      jobs: one for each prompt, in order.
      prompts: the texts of the prompts.
      echo: the answer begins with the prompt.
      stream, include_usage: as events, with counts at the end.
    """

    jobs: tuple[Job, ...]
    prompts: tuple[str, ...]
    echo: bool
    stream: bool
    include_usage: bool

    @property
    def prompt_tokens(self) -> int:
        """Ids of all prompts."""
        return sum(len(job.tokens) for job in self.jobs)


def read_completion(body: Any, rules: Rules) -> Asked:
    """What a body of /v1/completions asks for; raises RequestError."""
    body = _checked(body, rules)
    prompts = _prompts(body.get("prompt"), rules)
    echo = fields.flag(body, "echo")
    top = fields.integer(body, "logprobs", None, 0, MAX_TOP)
    limit = fields.integer(body, "max_tokens", None, 0, rules.max_tokens)
    if limit == 0 and not echo:
        raise RequestError("max_tokens is 0 without echo: nothing to answer", param="max_tokens")
    n = fields.integer(body, "n", rules.defaults.n, 1, rules.max_rows)
    fields.integer(body, "best_of", n, n, n)
    return _asked(body, rules, prompts, n, limit, top, echo)


def read_chat(body: Any, rules: Rules) -> Asked:
    """What a body of /v1/chat/completions asks for; raises RequestError."""
    body = _checked(body, rules)
    if rules.chat is None:
        raise RequestError(
            "this model has no chat template; start the server with --chat=FILE or "
            "--chat=chatml, or use /v1/completions"
        )
    try:
        ids = rules.chat(body.get("messages"), fields.mapping(body, "chat_template_kwargs"))
    except (ValueError, TypeError) as error:
        raise RequestError(str(error), param="messages") from error
    top = fields.integer(body, "top_logprobs", 0, 0, MAX_TOP)
    if not fields.flag(body, "logprobs"):
        if body.get("top_logprobs"):
            raise RequestError("top_logprobs needs logprobs: true", param="top_logprobs")
        top = None
    name = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    limit = fields.integer(body, name, None, 1, rules.max_tokens)
    n = fields.integer(body, "n", rules.defaults.n, 1, rules.max_rows)
    return _asked(body, rules, [("", ids)], n, limit, top, echo=False)


def _checked(body: Any, rules: Rules) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise RequestError("the body is not a JSON object")
    model = body.get("model")
    if model is not None and model not in rules.names:
        raise RequestError(
            f"there is no model {model!r} here; it is {rules.names[0]!r}",
            404,
            "model",
            "model_not_found",
        )
    for name, neutral in _UNSUPPORTED.items():
        if body.get(name) not in neutral:
            raise RequestError(f"{name} is not supported; leave it out", param=name)
    return body


def _prompts(prompt: Any, rules: Rules) -> list[tuple[str, list[int]]]:
    """Texts and ids of a prompt: a string, a list of them, a list of ids, or a list of those."""
    if isinstance(prompt, str) or (isinstance(prompt, list) and _are_ids(prompt)):
        prompt = [prompt]
    if not isinstance(prompt, list) or not prompt:
        raise RequestError(
            "prompt must be a string, a list of strings, a list of ids or a list of such lists",
            param="prompt",
        )
    if len(prompt) > _MOST_PROMPTS:
        raise RequestError(f"{len(prompt)} prompts; at most {_MOST_PROMPTS}", param="prompt")
    return [_prompt(i, item, rules) for i, item in enumerate(prompt)]


def _are_ids(prompt: list) -> bool:
    return bool(prompt) and all(isinstance(i, int) and not isinstance(i, bool) for i in prompt)


def _prompt(index: int, prompt: Any, rules: Rules) -> tuple[str, list[int]]:
    try:
        if isinstance(prompt, str):
            return prompt, rules.tokenizer.encode_prompt(prompt)
        if isinstance(prompt, list) and _are_ids(prompt):
            unknown = [i for i in prompt if not 0 <= i < rules.tokenizer.vocab_size]
            if unknown:
                raise ValueError(f"id {unknown[0]} is outside the vocabulary")
            return rules.tokenizer.decode(prompt), prompt
    except (ValueError, TypeError) as error:
        raise RequestError(f"prompt {index}: {error}", param="prompt") from error
    raise RequestError(f"prompt {index} is neither a string nor a list of ids", param="prompt")


def _asked(
    body: Mapping[str, Any],
    rules: Rules,
    prompts: list[tuple[str, list[int]]],
    n: int,
    limit: int | None,
    top: int | None,
    echo: bool,
) -> Asked:
    stream = fields.flag(body, "stream")
    if stream and top is not None:
        raise RequestError("log-probabilities are not streamed; leave out one", param="logprobs")
    default = rules.defaults
    settings = Settings(
        temperature=fields.number(body, "temperature", default.temperature, 0, 100),
        top_p=fields.number(body, "top_p", default.top_p, 1e-6, 1),
        top_k=fields.integer(body, "top_k", default.top_k, 0, 1 << 31),
        stop=fields.strings(body, "stop", default.stop, _MOST_STOPS),
        streamed=stream,
    )
    seed = fields.integer(body, "seed", None, -(1 << 63), (1 << 64) - 1)
    jobs = tuple(
        Job(tuple(ids), prompt_id(seed, i), n, _limit(i, len(ids), limit, rules), settings, top)
        for i, (_, ids) in enumerate(prompts)
    )
    options = fields.mapping(body, "stream_options")
    include_usage = fields.flag(options, "include_usage")
    return Asked(jobs, tuple(text for text, _ in prompts), echo, stream, include_usage)


def prompt_id(seed: int | None, index: int) -> int:
    """What stands in the random key for prompt ``index`` of a request: the seed, spread by index.

    Without a seed it is drawn afresh. The first prompt of a request with seed s is sampled as
    the sampler itself does with seed 0 and prompt id s.
    """
    if seed is None:
        return secrets.randbits(32)
    return (seed + 0x9E3779B9 * index) & 0xFFFFFFFF


def _limit(index: int, length: int, limit: int | None, rules: Rules) -> int:
    """Most tokens to write after a prompt of so many ids; RequestError where they do not fit."""
    if not length:
        raise RequestError(
            f"prompt {index} is empty and the model has no token to begin with; give at least one",
            param="prompt",
        )
    room = rules.context - length
    wanted = min(rules.defaults.max_tokens, rules.max_tokens, max(room, 1))
    wanted = wanted if limit is None else limit
    if wanted > room:
        raise RequestError(
            f"prompt {index} has {length} tokens; with {wanted} more it exceeds the context of "
            f"{rules.context}; shorten the prompt or lower max_tokens",
            param="max_tokens" if room > 0 else "prompt",
            code="context_length_exceeded",
        )
    return wanted
