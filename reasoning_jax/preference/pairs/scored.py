"""Several responses to one context with a score each, as text."""

import dataclasses
import math

from reasoning_jax.preference.pairs.pair import Pair, Turn


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scored responses.

    Attributes:
      prompt: of the problem.
      responses: to their ends.
      scores: one for each, larger is better.
      source: where they come from, such as the id of their problem.
      turns: messages before the prompt, as in Pair.
    """

    prompt: str
    responses: tuple[str, ...]
    scores: tuple[float, ...]
    source: str = ""
    turns: tuple[Turn, ...] = ()

    def __post_init__(self):
        if len(self.responses) != len(self.scores) or not self.responses:
            raise ValueError(
                f"{len(self.responses)} responses with {len(self.scores)} scores; give one each"
            )
        if not all(math.isfinite(score) for score in self.scores):
            raise ValueError(f"scores {self.scores} must be finite")

    def best_against_worst(self) -> Pair:
        """The pair of the highest and the lowest score, of equal ones the first.

        Raises:
          ValueError: all scores are the same.
        """
        best = max(range(len(self.scores)), key=lambda i: self.scores[i])
        worst = min(range(len(self.scores)), key=lambda i: self.scores[i])
        if best == worst or self.scores[best] == self.scores[worst]:
            raise ValueError(f"all scores are {self.scores[0]}; there is no preference")
        return Pair(
            self.prompt,
            self.responses[best],
            self.responses[worst],
            source=self.source,
            turns=self.turns,
        )
