"""Rule rewards of single systems: (problem, completion, verdict) -> number or None. Host."""

from collections.abc import Sequence

from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify.extract import after_think, boxed


def answer_after_thinking(
    problem: Problem, completion: Completion, verdict: Verdict
) -> float | None:
    r"""AceReason's reward (arXiv 2505.16400): 1 for a right ``\boxed{}`` behind ``</think>``.

    0 where the thought is never closed, even with a right box in it; no term for form or length.
    None where the answer cannot be judged.
    """
    rest = after_think(completion.text)
    if rest is None or not boxed(rest):
        return 0.0
    return None if verdict.correct is None else float(verdict.correct)


def every_test(passed: Sequence[bool]) -> float:
    """AceReason's reward of a program: 1 where all tests pass, 0 where one fails or none is."""
    return float(len(passed) > 0 and all(passed))


def outcome_or_penalty(
    problem: Problem,
    completion: Completion,
    verdict: Verdict,
    *,
    value: float = -1.0,
    repeated: int = 20,
    times: int = 4,
) -> float | None:
    """T1's reward (arXiv 2501.11651): ``value`` for degenerate text, else 1 right and 0 wrong.

    Degenerate is what was cut at the length limit, cannot be decoded, or repeats itself
    (``repeats``). None where the answer cannot be judged and nothing is degenerate.
    """
    text = completion.text
    if completion.finish_reason != "stop" or "\ufffd" in text:
        return value
    if repeats(text, length=repeated, times=times):
        return value
    return None if verdict.correct is None else float(verdict.correct)


def repeats(text: str, *, length: int = 20, times: int = 4) -> bool:
    """Whether ``length`` x ``times`` characters in a row are one piece again and again.

    The piece has at most ``length`` characters: a text that has got stuck.

    Raises:
      ValueError: ``length`` below 1 or ``times`` below 2.
    """
    if length < 1 or times < 2:
        raise ValueError(f"length {length} must be at least 1, times {times} at least 2")
    return any(_longest_run(text, period) >= length * times for period in range(1, length + 1))


def _longest_run(text: str, period: int) -> int:
    """Characters of the longest stretch in which each equals the one ``period`` before it."""
    longest = run = 0
    for here, later in zip(text, text[period:]):
        run = run + 1 if here == later else 0
        longest = max(longest, run)
    return longest + period if longest else 0
