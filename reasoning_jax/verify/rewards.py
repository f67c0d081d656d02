"""Reward functions: what one graded completion is worth.

A reward is any callable ``(problem, completion, verdict) -> float | None``; None takes the
completion out of its group and out of the loss.
"""

from reasoning_jax.types import Completion, Problem, Verdict


def outcome(problem: Problem, completion: Completion, verdict: Verdict) -> float | None:
    """1 for a right answer that ended by itself, 0 else; None when it cannot be judged."""
    if verdict.correct is None:
        return None
    return float(verdict.correct and completion.finish_reason == "stop")
