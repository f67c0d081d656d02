"""Who says which step of a wrong response is its first wrong one."""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from reasoning_jax.generators import Generator, Request
from reasoning_jax.preference.pairs.judgement import first_wrong_step
from reasoning_jax.preference.pipeline.trace import key_of
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.tasks import Task
from reasoning_jax.types import Problem

JUDGEMENT = """You are given a problem, a reference solution and a wrong answer in steps. Find the \
first step that is not correct. Reason in at most 200 words, then write a line that begins with \
"Final Decision:" and rates every step as correct, neutral or incorrect up to the first that is \
not correct, such as "Step 1: correct; Step 2: incorrect".

Problem:
{problem}

Reference solution:
{solution}

Wrong answer:
{response}
"""
"""What a generative judge is asked, in the manner of Step-DPO."""


class Judge(Protocol):
    """Finds first wrong steps.

    Attributes:
      name: says in files who judged.
    """

    name: str

    def locate(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[int | None]:
        """Index, from 0, of the first wrong step of each response; None where none is found."""
        ...


@dataclasses.dataclass(frozen=True)
class ExactJudge:
    """The task itself, which knows the truth of every step.

    Attributes:
      task: with step labels.
    """

    task: Task
    name: str = "exact"

    def locate(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[int | None]:
        """As in Judge; ValueError for a task that has no truth for single steps."""
        found = (
            self.task.step_labels(problem, response).first_error
            for problem, response in zip(problems, responses, strict=True)
        )
        return [None if index < 0 else index for index in found]


@dataclasses.dataclass(frozen=True)
class ScoreJudge:
    """A process reward model: the first step with a score below a threshold.

    Attributes:
      score: (prompts, responses) -> the scores of each response's steps.
      threshold: scores below it are of wrong steps.
    """

    score: Callable[[Sequence[str], Sequence[str]], Sequence[Sequence[float]]]
    threshold: float = 0.5
    name: str = "prm"

    def locate(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[int | None]:
        """As in Judge."""
        scores = self.score([problem.prompt for problem in problems], responses)
        return [
            next((index for index, score in enumerate(row) if score < self.threshold), None)
            for row in scores
        ]


@dataclasses.dataclass(frozen=True)
class MajorityJudge:
    """A generator that is asked several times; the step that most answers name.

    Of steps named equally often the earliest counts. Answers that name none are votes for None.

    Attributes:
      generator: another model, the own one, or an endpoint.
      sampling: of the judgements; ``n`` are the votes.
      instruction: with {problem}, {solution} and {response}.
      least: share of the votes that a step needs.
    """

    generator: Generator
    sampling: SamplingParams
    instruction: str = JUDGEMENT
    least: float = 0.5

    def __post_init__(self):
        if "{response}" not in self.instruction or "{problem}" not in self.instruction:
            raise ValueError("the instruction of a judge must hold {problem} and {response}")
        if not 0 <= self.least <= 1:
            raise ValueError(f"least is {self.least}; it is a share of the votes, in [0, 1]")

    @property
    def name(self) -> str:
        """Of the generator."""
        return f"majority of {self.sampling.n} of {self.generator.name}"

    def locate(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[int | None]:
        """As in Judge."""
        requests = [
            Request(self._question(problem, response), key=key_of(problem.id) * 1024 + place)
            for place, (problem, response) in _placed(problems, responses)
        ]
        found: list[int | None] = [None] * len(requests)
        for i, outs in self.generator.stream(requests, self.sampling):
            votes = collections.Counter(first_wrong_step(out.text) for out in outs)
            named = {number: count for number, count in votes.items() if number is not None}
            if named:
                number, count = max(named.items(), key=lambda vote: (vote[1], -vote[0]))
                if number >= 1 and count >= self.least * len(outs):
                    found[i] = number - 1
        return found

    def _question(self, problem: Problem, response: str) -> str:
        values = {
            "{problem}": problem.prompt,
            "{solution}": problem.solution or f"The answer is {problem.answer}.",
            "{response}": response,
        }
        # From the last slot on, so that what is put in is never read as a slot.
        text = self.instruction
        slots = sorted(((text.rfind(slot), slot) for slot in values), reverse=True)
        for at, slot in slots:
            if at >= 0:
                text = text[:at] + values[slot] + text[at + len(slot) :]
        return text


def _placed(problems: Sequence[Problem], responses: Sequence[str]):
    """Each (problem, response) with its place among those of the same problem."""
    seen: collections.Counter[str] = collections.Counter()
    for problem, response in zip(problems, responses, strict=True):
        yield seen[problem.id], (problem, response)
        seen[problem.id] += 1
