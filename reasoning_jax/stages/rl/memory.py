"""What sampling remembers from step to step, as the checkpoints have it."""

from collections.abc import Iterable, Mapping
from typing import Any

from reasoning_jax.types import Completion, Verdict


class Memory:
    """Problems that wait to be asked anew, and the fewest calls that led to a right answer.

    Args:
      state: what ``state`` gave, or an empty mapping.

    Attributes:
      waiting: indices of problems, the next one first (PRIME, arXiv 2502.01456).
      fewest_calls: id of a problem -> calls of tools (OTC, arXiv 2504.14870).
    """

    def __init__(self, state: Mapping[str, Any]):
        self.waiting: list[int] = list(state.get("waiting", ()))
        self.fewest_calls: dict[str, int] = dict(state.get("fewest_calls", {}))

    def state(self) -> dict[str, Any]:
        """The same as JSON."""
        return {"waiting": list(self.waiting), "fewest_calls": dict(self.fewest_calls)}

    def see_calls(self, problem: str, row: Iterable[tuple[Completion, Verdict]]) -> None:
        """Takes note of the calls of right answers to a problem."""
        calls = [len(out.calls) for out, verdict in row if verdict.correct is True]
        known = self.fewest_calls.get(problem)
        if calls:
            self.fewest_calls[problem] = min(calls) if known is None else min(known, *calls)
