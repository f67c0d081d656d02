"""Chains whose verdicts an untrained policy meets half the time."""

import dataclasses

from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.types import Problem, Verdict


@dataclasses.dataclass(frozen=True)
class CoinChain(ModChain):
    """Right where the response has an even number of characters; the answer is its first one."""

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right, wrong, or nothing extracted where there is no text."""
        return Verdict(len(response) % 2 == 0, "coin", response[:1] or None)
