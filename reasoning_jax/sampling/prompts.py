"""What samplers are given: prompts as ids, with the numbers that stand for them."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion

Encode = Callable[[int, str | Sequence[int], SamplingParams], tuple[int, ...]]
"""encode(index, prompt, sampling): the ids of prompt ``index``; raises as `encode_prompt` does."""


@dataclasses.dataclass(frozen=True)
class Prompts:
    """The prompts of a call.

    Attributes:
      tokens: ids of each.
      numbers: integers that stand for them in the random key.
    """

    tokens: list[tuple[int, ...]]
    numbers: list[int]

    @property
    def by_length(self) -> list[int]:
        """Indices, the shortest first: prompts that are read together are padded to the longest."""
        return sorted(range(len(self.tokens)), key=lambda i: len(self.tokens[i]))


def read_prompts(
    prompts: Sequence[str | Sequence[int]],
    sampling: SamplingParams,
    prompt_ids: Sequence[int] | None,
    encode: Encode,
) -> Prompts:
    """Prompts as a caller gives them; positions are their numbers by default.

    Raises:
      ValueError: one string, as many numbers as there are not prompts, or as ``encode`` does.
    """
    if isinstance(prompts, str):
        raise ValueError("prompts is one string; give a list of prompts")
    tokens = [encode(i, prompt, sampling) for i, prompt in enumerate(prompts)]
    numbers = list(range(len(tokens)) if prompt_ids is None else prompt_ids)
    if len(numbers) != len(tokens):
        raise ValueError(f"{len(numbers)} prompt_ids for {len(tokens)} prompts; give one for each")
    return Prompts(tokens, numbers)


def encode_prompt(
    tokenizer: Tokenizer,
    config: ModelConfig,
    index: int,
    prompt: str | Sequence[int],
    max_tokens: int,
) -> tuple[int, ...]:
    """The ids of a prompt.

    Raises:
      ValueError: it is empty, holds an id outside the embedding, or exceeds the context together
        with max_tokens.
    """
    ids = tokenizer.encode_prompt(prompt) if isinstance(prompt, str) else list(prompt)
    if not ids:
        raise ValueError(f"prompt {index} is empty; give at least one token")
    rows, context = config.vocab_size, config.max_position
    unknown = [i for i in ids if not 0 <= i < rows]
    if unknown:
        raise ValueError(
            f"prompt {index} holds id {unknown[0]}, outside the embedding of {rows} rows"
        )
    if len(ids) + max_tokens > context:
        raise ValueError(
            f"prompt {index} has {len(ids)} tokens; with max_tokens {max_tokens} it exceeds the "
            f"context of {context}; shorten the prompt or lower max_tokens"
        )
    return tuple(ids)


def collect(stream: Iterator[tuple[int, list[Completion]]], count: int) -> list[list[Completion]]:
    """``outs[i]``, the samples of prompt i, from a stream of (i, samples)."""
    outs: list[list[Completion]] = [[] for _ in range(count)]
    for index, completions in stream:
        outs[index] = completions
    return outs
