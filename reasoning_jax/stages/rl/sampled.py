"""Graded completions on the host, before they are arrays."""

import dataclasses
from collections.abc import Sequence

from reasoning_jax.types import Completion, Problem, Verdict


@dataclasses.dataclass(frozen=True)
class Sampled:
    """Graded completions of some problems; every sequence has one entry per problem.

    Attributes:
      problems, prompts: with the prompts' ids.
      completions, verdicts, parts, rewards: ``x[i][j]`` is of sample j of problem i; ``parts``
        are the terms of the reward, which is None where the completion is to be left out.
      greedy: reward of the greedy answer, None where there is none.
    """

    problems: list[Problem]
    prompts: list[list[int]]
    completions: list[list[Completion]]
    verdicts: list[list[Verdict]]
    parts: list[list[dict[str, float | None]]]
    rewards: list[list[float | None]]
    greedy: list[float | None]

    def __add__(self, other: "Sampled") -> "Sampled":
        """The problems of both."""
        return Sampled(*(a + b for a, b in zip(vars(self).values(), vars(other).values())))

    def pick(self, which: Sequence[int]) -> "Sampled":
        """The problems at these places."""
        return Sampled(*([values[i] for i in which] for values in vars(self).values()))

    def left_out(self) -> "Sampled":
        """The same without a reward: kept for its shape alone."""
        return dataclasses.replace(self, rewards=[[None] * len(row) for row in self.rewards])
