"""Rewards of the verdict."""

from reasoning_jax.types import Completion, Problem, Verdict


def outcome(problem: Problem, completion: Completion, verdict: Verdict) -> float | None:
    """1 for a right answer that ended by itself, 0 else; None when it cannot be judged."""
    if verdict.correct is None:
        return None
    return float(verdict.correct and completion.finish_reason == "stop")


def signed_outcome(problem: Problem, completion: Completion, verdict: Verdict) -> float | None:
    """``outcome`` as 1 and -1, as DAPO has it (arXiv 2503.14476, section 2.4)."""
    value = outcome(problem, completion, verdict)
    return None if value is None else 2.0 * value - 1.0


def right(problem: Problem, completion: Completion, verdict: Verdict) -> float | None:
    """1 for a right answer, cut off afterwards or not, 0 else; None when it cannot be judged."""
    return None if verdict.correct is None else float(verdict.correct)
