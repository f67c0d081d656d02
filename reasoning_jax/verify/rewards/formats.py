r"""Rewards of the form of a response, whatever its answer is.

The tags are those of DeepSeek-R1-Zero (arXiv 2501.12948, table 1):
``<think>...</think> <answer>...</answer>``. A prompt that ends in ``<think>`` has opened it.
"""

from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify.extract import after_think, boxed

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def think_answer(problem: Problem, completion: Completion, verdict: Verdict) -> float:
    """1 when the response is a thought and an answer, each in its tags, and nothing else."""
    text = _with_opening(problem, completion).strip()
    if any(text.count(tag) != 1 for tag in TAGS):
        return 0.0
    thought, _, rest = text.removeprefix(TAGS[0]).partition(TAGS[1])
    answer = rest.strip()
    return float(
        text.startswith(TAGS[0])
        and bool(thought.strip())
        and answer.startswith(TAGS[2])
        and answer.endswith(TAGS[3])
        and bool(answer[len(TAGS[2]) : -len(TAGS[3])].strip())
    )


def tags(problem: Problem, completion: Completion, verdict: Verdict) -> float:
    """The share of the four tags that stand exactly once: a slope towards ``think_answer``."""
    text = _with_opening(problem, completion)
    return sum(text.count(tag) == 1 for tag in TAGS) / len(TAGS)


def boxed_after_think(problem: Problem, completion: Completion, verdict: Verdict) -> float:
    r"""1 when a ``\boxed{}`` stands after the thought, which is closed if it was opened."""
    text = _with_opening(problem, completion)
    rest = after_think(text)
    if rest is None and TAGS[0] in text:
        return 0.0
    return float(bool(boxed(text if rest is None else rest)))


def answered(problem: Problem, completion: Completion, verdict: Verdict) -> float:
    """1 when the grader found an answer, right or wrong."""
    return float(verdict.extracted is not None)


def _with_opening(problem: Problem, completion: Completion) -> str:
    opened = problem.prompt.rstrip().endswith(TAGS[0])
    return TAGS[0] + completion.text if opened else completion.text
