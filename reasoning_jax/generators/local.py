"""A sampler of this process as a generator."""

import dataclasses
from collections.abc import Iterator, Sequence

from reasoning_jax.generators.generator import Request
from reasoning_jax.preference.pairs.encode import encode_context
from reasoning_jax.sampling import Sampler, SamplingParams
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion


@dataclasses.dataclass(frozen=True)
class LocalGenerator:
    """Writes with a sampler; a completion depends on its request, the seed and nothing else.

    Attributes:
      sampler: of the model.
      tokenizer: writes prompts, by its chat template where it has one.
      name: of the model.
    """

    sampler: Sampler
    tokenizer: Tokenizer
    name: str = "own"

    def stream(
        self, requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """As in Generator."""
        prompts = [
            list(encode_context(self.tokenizer, request.prompt, request.turns, request.prefix))
            for request in requests
        ]
        yield from self.sampler.stream(prompts, sampling, [request.key for request in requests])
