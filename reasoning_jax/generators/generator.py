"""The one interface of everything that writes text."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

from reasoning_jax.sampling import SamplingParams
from reasoning_jax.types import Completion


@dataclasses.dataclass(frozen=True)
class Request:
    """What to continue.

    Attributes:
      prompt: of a problem.
      prefix: the beginning of the response, to go on from.
      turns: messages (role, content) before the prompt.
      key: with the seed it fixes the draws, where the generator can promise that.
    """

    prompt: str
    prefix: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    key: int = 0


class Generator(Protocol):
    """Writes what follows prompts.

    Attributes:
      name: says in files what wrote them.
    """

    name: str

    def stream(
        self, requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(index of a request, its ``sampling.n`` completions), each index once, in any order.

        The texts do not repeat the prefix. Ids and log-probabilities may be missing.
        """
        ...
