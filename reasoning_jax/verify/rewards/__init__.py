"""Reward functions: what one graded completion is worth.

A reward is any callable ``(problem, completion, verdict) -> float | None``; the columns of the
problem's record stand in ``problem.info``; None takes the completion out of its group and out of
the loss. ``weighted`` adds several up.
"""

from reasoning_jax.verify.rewards.formats import answered, boxed_after_think, tags, think_answer
from reasoning_jax.verify.rewards.language import script_share
from reasoning_jax.verify.rewards.outcome import outcome, right, signed_outcome
from reasoning_jax.verify.rewards.weighted import Reward, Term, mean_parts, reward_of, weighted

__all__ = [
    "Reward",
    "Term",
    "answered",
    "boxed_after_think",
    "mean_parts",
    "outcome",
    "reward_of",
    "right",
    "script_share",
    "signed_outcome",
    "tags",
    "think_answer",
    "weighted",
]
