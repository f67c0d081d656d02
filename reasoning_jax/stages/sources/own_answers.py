"""The policy's own answers to problems of a split: what most makers of training data begin with."""

import dataclasses
from collections.abc import Sequence

from reasoning_jax.generators import LocalGenerator, Request
from reasoning_jax.preference.pipeline import Trace, collect, grader
from reasoning_jax.preference.pipeline.grading import Grade, Graded
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.types import Problem


@dataclasses.dataclass(frozen=True)
class OwnAnswers:
    """How the policy is asked.

    Attributes:
      split, problems: the first so many problems of the split.
      n, temperature, max_tokens: of sampling.
    """

    split: str = "train"
    problems: int = 2_000
    n: int = 8
    temperature: float = 1.0
    max_tokens: int = 32

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and prompts and responses fit the context."""
        check_problems(context, self.split, self.problems, self.max_tokens)
        self.sampling(seed=0)

    def sampling(self, seed: int) -> SamplingParams:
        """Of the answers."""
        return SamplingParams(
            max_tokens=self.max_tokens, temperature=self.temperature, n=self.n, seed=seed
        )

    def asked(self, context: Context) -> list[Problem]:
        """The problems."""
        return [context.task.problem(self.split, index) for index in range(self.problems)]

    def graded(self, context: Context, trained: dict, seed: int) -> list[tuple[Problem, Graded]]:
        """Each problem with the policy's answers and their verdicts."""
        problems = self.asked(context)
        return list(zip(problems, graded_answers(context, trained, problems, self.sampling(seed))))

    def traces(self, context: Context, trained: dict, seed: int) -> list[Trace]:
        """Each problem's right answers and its mistakes, those that end by themselves."""
        own, problems = own_generator(context, trained), self.asked(context)
        return collect(own, grade_of(context), problems, self.sampling(seed))


def graded_answers(
    context: Context, trained: dict, problems: Sequence[Problem], sampling: SamplingParams
) -> list[Graded]:
    """The policy's answers to each problem with their verdicts."""
    requests = [Request(problem.prompt, key=key) for key, problem in enumerate(problems)]
    stream = own_generator(context, trained).stream(requests, sampling)
    return grade_of(context)(problems, stream)


def own_generator(context: Context, trained: dict) -> LocalGenerator:
    """The policy as a generator."""
    return LocalGenerator(context.sampler(trained), context.tokenizer)


def grade_of(context: Context) -> Grade:
    """The task's grader, with the run's workers."""
    return grader(context.verifier, context.task)


def check_problems(context: Context, split: str, problems: int, tokens: int) -> None:
    """ValueError unless the problems are there and prompts and responses fit the context."""
    if context.tooling.toolbox is not None:
        raise ValueError("responses with calls of tools make no pairs of text; leave tools out")
    size = context.task.size(split)
    if not 1 <= problems <= size:
        raise ValueError(f"source.problems is {problems}; {split!r} has {size}")
    longest = max(
        len(context.tokenizer.encode_prompt(context.task.problem(split, index).prompt))
        for index in range(min(problems, 1_000))
    )
    if longest + tokens > context.model.max_position:
        raise ValueError(
            f"prompts of {longest} and responses of up to {tokens} tokens exceed the context of "
            f"{context.model.max_position}; lower source.max_tokens"
        )
