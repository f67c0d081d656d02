"""What was asked of an endpoint, and what it costs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Usage:
    """Counts of an endpoint's client.

    Attributes:
      answers: got from the endpoint.
      cached: got from the disk instead.
      retries: further tries after a failed one.
      prompt_tokens, completion_tokens: as the endpoint counted them, of ``answers`` alone.
    """

    answers: int = 0
    cached: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def cost(self, prompt_price: float, completion_price: float) -> float:
        """Price of all answers; prices are those of 10^6 tokens."""
        tokens = self.prompt_tokens * prompt_price + self.completion_tokens * completion_price
        return tokens / 1e6

    def plus(self, **counts: int) -> "Usage":
        """The sum with further counts."""
        return dataclasses.replace(
            self, **{name: getattr(self, name) + count for name, count in counts.items()}
        )
