"""Answers in OpenAI's shape."""

import math
from collections.abc import Sequence
from typing import Any

from reasoning_jax.serving.job import Job, Written
from reasoning_jax.serving.request import Asked
from reasoning_jax.serving.text import offsets, pieces, spelled
from reasoning_jax.text import Tokenizer

# JSON has no infinity; what a float32 softmax rounds to zero is below this anyway.
_LEAST = -1e4


def completion_choices(
    asked: Asked, outs: Sequence[Sequence[Written]], tokenizer: Tokenizer
) -> list[dict[str, Any]]:
    """The choices of /v1/completions: the samples of each prompt in order."""
    return [
        {
            "index": i * job.n + sample,
            "text": (prompt if asked.echo else "") + out.text,
            "logprobs": _columns(job, out, asked.echo, tokenizer),
            "finish_reason": out.finish_reason,
        }
        for i, (job, prompt, samples) in enumerate(zip(asked.jobs, asked.prompts, outs))
        for sample, out in enumerate(samples)
    ]


def chat_choices(
    asked: Asked, outs: Sequence[Sequence[Written]], tokenizer: Tokenizer
) -> list[dict[str, Any]]:
    """The choices of /v1/chat/completions."""
    (job,), (samples,) = asked.jobs, outs
    return [
        {
            "index": sample,
            "message": {"role": "assistant", "content": out.text},
            "logprobs": _content(job, out, tokenizer),
            "finish_reason": out.finish_reason,
        }
        for sample, out in enumerate(samples)
    ]


def usage(asked: Asked, outs: Sequence[Sequence[Written]]) -> dict[str, int]:
    """Tokens read and written."""
    written = sum(len(out.tokens) for samples in outs for out in samples)
    read = asked.prompt_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _columns(job: Job, out: Written, echo: bool, tokenizer: Tokenizer) -> dict | None:
    """Log-probabilities as parallel lists; null at the first token of a sequence."""
    if out.scores is None:
        return None
    row = [*job.tokens, *out.tokens]
    start = 0 if echo else len(job.tokens)
    parts = pieces(tokenizer, row)[start:]
    steps = range(start, len(row))
    top = [_best(job, out, row, t, tokenizer) if t else None for t in steps]
    return {
        "tokens": parts,
        "token_logprobs": [_finite(out.scores.logprobs[t]) if t else None for t in steps],
        "top_logprobs": top if job.top else None,
        "text_offset": offsets(parts, 0),
    }


def _content(job: Job, out: Written, tokenizer: Tokenizer) -> dict | None:
    """Log-probabilities token by token."""
    if out.scores is None:
        return None
    row = [*job.tokens, *out.tokens]
    return {
        "content": [
            {
                **_entry(spelled(tokenizer, row[t]), _finite(out.scores.logprobs[t])),
                "top_logprobs": [
                    _entry(spelled(tokenizer, int(token)), _finite(value))
                    for token, value in list(
                        zip(out.scores.top_ids[t], out.scores.top_logprobs[t])
                    )[: job.top]
                ],
            }
            for t in range(len(job.tokens), len(row))
        ]
    }


def _best(job: Job, out: Written, row: list[int], t: int, tokenizer: Tokenizer) -> dict:
    """The most likely tokens at position t and the one that stands there, best first."""
    ranked = zip(out.scores.top_ids[t, : job.top], out.scores.top_logprobs[t, : job.top])
    best: dict[str, float] = {}
    for token, value in (*ranked, (row[t], out.scores.logprobs[t])):
        # Of tokens that are spelled alike the likelier one stays.
        best.setdefault(spelled(tokenizer, int(token)), _finite(value))
    return best


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else _LEAST
