"""What a caller may ask of the sampler."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplingParams:
    """How to continue a prompt.

    Attributes:
      max_tokens: most tokens to generate, end of sequence included.
      temperature: logits are divided by it; 0 is greedy.
      top_p: keep the fewest tokens whose probability reaches it; 1 is off.
      top_k: keep the k most likely tokens; 0 is off.
      n: completions per prompt; they share one prefill.
      seed: with prompt id, sample index and token index it fixes every random draw.
      stop: strings that end a completion; they are not part of its text.
    """

    max_tokens: int = 128
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    n: int = 1
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self):
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        _check("max_tokens", self.max_tokens, self.max_tokens >= 1, "at least 1")
        _check("temperature", self.temperature, self.temperature >= 0, "at least 0")
        _check("top_p", self.top_p, 0 < self.top_p <= 1, "in (0, 1]")
        _check("top_k", self.top_k, self.top_k >= 0, "at least 0")
        _check("n", self.n, self.n >= 1, "at least 1")
        _check("stop", self.stop, all(self.stop), "non-empty strings")


def _check(name: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}; it must be {rule}")
