"""Rewards of steps from a task's exact labels, and where in the tokens the steps end. Host.

A labeller is ``(task, problem, completion, verdict) -> [(text of a step, reward), ...]``, chosen
by dotted name; a learnt judge of steps is another such function.
"""

from collections.abc import Sequence
from typing import Protocol

from reasoning_jax.types import Completion, Problem, StepLabels, Verdict

Steps = list[tuple[str, float]]


class Labels(Protocol):
    """The part of a task that labels steps."""

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Judges the steps of a response; ValueError where nothing is known of them."""


class Decoder(Protocol):
    """The part of a tokenizer that finds steps in ids."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""


def correct_steps(
    task: Labels,
    problem: Problem,
    completion: Completion,
    verdict: Verdict,
    *,
    right: float = 1.0,
    wrong: float = -1.0,
) -> Steps:
    """``right`` for a step with the value of the true solution, else ``wrong``.

    At 1 and -1 the perfect scores p(good) - p(bad) of PURE's reward model (arXiv 2504.15275).
    """
    labels = task.step_labels(problem, completion.text)
    return [(text, right if ok else wrong) for text, ok in zip(labels.steps, labels.correct)]


def valid_steps(
    task: Labels,
    problem: Problem,
    completion: Completion,
    verdict: Verdict,
    *,
    right: float = 1.0,
    wrong: float = -1.0,
) -> Steps:
    """``right`` for a step that follows from those before it, right or not, else ``wrong``."""
    labels = task.step_labels(problem, completion.text)
    return [(text, right if ok else wrong) for text, ok in zip(labels.steps, labels.valid)]


def marked_steps(task: Labels, problem: Problem, completion: Completion, verdict: Verdict) -> Steps:
    """TP-GRPO's marks (arXiv 2507.23317): in a right solution 1 for a correct step, in a wrong
    one 1 for an incorrect step, which leads to the wrong answer; else 0.

    The exact labels stand in for the paper's judge, which compares a wrong solution's thoughts
    with its answer.
    """
    labels = task.step_labels(problem, completion.text)
    right = verdict.correct is True
    return [(text, float(ok == right)) for text, ok in zip(labels.steps, labels.correct)]


def step_ends(tokenizer: Decoder, completion: Completion, steps: Sequence[str]) -> list[int]:
    """Position in ``completion.tokens`` of the last token of each step.

    A step reaches to the beginning of the next one, separators included, the last one to the end
    of its own text: an end of sequence after it belongs to no step. Every step has at least one
    token, and steps that share a token end at different ones as far as there are any.

    Raises:
      ValueError: a step is not in the text behind the steps before it.
    """
    sampled = completion.sampled or (True,) * len(completion.tokens)
    places = [place for place, here in enumerate(sampled) if here]
    ids = [completion.tokens[place] for place in places]
    ends, least = [], 0
    for reach in _reaches(completion.text, steps):
        least = min(max(_tokens_to_cover(tokenizer, ids, reach), least + 1), len(ids))
        ends.append(places[least - 1])
    return ends


def _reaches(text: str, steps: Sequence[str]) -> list[int]:
    """How many characters of the text each step reaches to."""
    starts, position = [], 0
    for step in steps:
        start = text.find(step, position)
        if start < 0:
            raise ValueError(f"step {step!r} is not in {text[position:]!r} of {text!r}")
        starts.append(start)
        position = start + len(step)
    return [*starts[1:], position] if starts else []


def _tokens_to_cover(tokenizer: Decoder, ids: Sequence[int], characters: int) -> int:
    """The fewest ids whose text has so many characters; all of them where none has."""
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        if len(tokenizer.decode(ids[:middle])) >= characters:
            high = middle
        else:
            low = middle + 1
    return low
