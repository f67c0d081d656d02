"""Where a preference stage gets its pairs: a file, or the policy's own right and wrong answers."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

from reasoning_jax.preference.pairs import (
    Pair,
    cut_at_step,
    encode_pair,
    first_step,
    outcome_pairs,
    read_pairs,
    step_pairs,
)
from reasoning_jax.sampling import Sampler, SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.types import Completion, Problem, Verdict


class PairSource(Protocol):
    """What a preference stage's ``source`` names."""

    def validate(self, context: Context) -> None:
        """ValueError when it cannot work; called before any work."""

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """The pairs, from the policy the stage begins with."""


@dataclasses.dataclass(frozen=True)
class PairFile:
    """Pairs of a file, in the layouts of ``read_pairs``.

    Attributes:
      path: of the file.
      on_malformed: "stop", or "skip" to train without the records that cannot be read.
    """

    path: str
    on_malformed: str = "stop"

    def validate(self, context: Context) -> None:
        """ValueError or FileNotFoundError unless the file can be read and encoded."""
        for pair in read_pairs(self.path, self.on_malformed):
            if pair.turns:
                encode_pair(context.tokenizer, pair)
                break

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """All of the file's pairs."""
        return read_pairs(self.path, self.on_malformed)


@dataclasses.dataclass(frozen=True)
class SampledOutcomes:
    """Whole responses of the policy, right against wrong.

    Attributes:
      split, problems: the first so many problems of the split.
      n, temperature, max_tokens: of sampling.
      most: pairs of one problem.
    """

    split: str = "train"
    problems: int = 2_000
    n: int = 8
    temperature: float = 1.0
    max_tokens: int = 32
    most: int = 1

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and prompts and responses fit the context."""
        _check(context, self.split, self.problems, self.max_tokens)
        SamplingParams(max_tokens=self.max_tokens, temperature=self.temperature, n=self.n)

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """Up to ``most`` pairs of each problem with both right and wrong responses."""
        problems = [context.task.problem(self.split, index) for index in range(self.problems)]
        sampling = SamplingParams(
            max_tokens=self.max_tokens, temperature=self.temperature, n=self.n, seed=seed
        )
        prompts = [problem.prompt for problem in problems]
        graded = _graded(context, context.sampler(trained).stream(prompts, sampling), problems)
        return tuple(
            pair
            for problem, row in zip(problems, graded)
            for pair in outcome_pairs(
                problem.prompt,
                # A response cut at the limit has no end to imitate or to avoid.
                [(out.text, v.correct) for out, v in row if out.finish_reason == "stop"],
                self.most,
                problem.id,
            )
        )


@dataclasses.dataclass(frozen=True)
class SampledSteps:
    """Step-DPO's pairs with the task as judge (arXiv 2406.18629).

    Of a wrong response the first wrong step is the rejected one; the policy goes on from the
    steps before it, and the first steps of what then reaches the right answer are chosen.

    Attributes:
      split, problems: the first so many problems of the split.
      n, temperature, max_tokens: of sampling.
      corrections: continuations sampled from the prefix of a wrong response.
      separator: ends a step.
    """

    split: str = "train"
    problems: int = 2_000
    n: int = 8
    temperature: float = 1.0
    max_tokens: int = 32
    corrections: int = 8
    separator: str = "\n"

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there, prompts and responses fit the context."""
        # A continuation may be as long as the response whose prefix it follows.
        _check(context, self.split, self.problems, 2 * self.max_tokens)
        for n in (self.n, self.corrections):
            SamplingParams(max_tokens=self.max_tokens, temperature=self.temperature, n=n)
        problem = context.task.problem(self.split, 0)
        context.task.step_labels(problem, problem.solution or "")

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """The pairs of the first wrong response to each problem."""
        problems = [context.task.problem(self.split, index) for index in range(self.problems)]
        sampler = context.sampler(trained)
        sampling = SamplingParams(
            max_tokens=self.max_tokens, temperature=self.temperature, n=self.n, seed=seed
        )
        prompts = [problem.prompt for problem in problems]
        graded = _graded(context, sampler.stream(prompts, sampling), problems)
        errors = [
            (problem, *error)
            for problem, row in zip(problems, graded)
            if (error := self._first_error(context, problem, row)) is not None
        ]
        if not errors:
            return ()
        continued = self._continue(context, sampler, sampling, errors)
        return tuple(
            pair
            for (problem, prefix, rejected), row in zip(errors, continued)
            for pair in step_pairs(
                problem.prompt,
                prefix,
                rejected,
                [
                    first_step(out.text[len(prefix) :], self.separator)
                    for out, v in row
                    if v.correct
                ],
                problem.id,
            )
        )

    def _first_error(
        self, context: Context, problem: Problem, row: Sequence[tuple[Completion, Verdict]]
    ) -> tuple[str, str] | None:
        """(prefix, first wrong step) of the first wrong response whose step is found."""
        for out, verdict in row:
            if verdict.correct is False:
                index = context.task.step_labels(problem, out.text).first_error
                try:
                    prefix, step = cut_at_step(out.text, index, self.separator)
                except ValueError:  # no wrong step, or steps the separator does not end
                    continue
                if step.strip():
                    return prefix, step
        return None

    def _continue(
        self,
        context: Context,
        sampler: Sampler,
        sampling: SamplingParams,
        errors: Sequence[tuple[Problem, str, str]],
    ) -> list[list[tuple[Completion, Verdict]]]:
        """What the policy writes after each prefix, prefix included, and its verdicts."""
        tokenizer = context.tokenizer
        prompts = [
            [
                *tokenizer.encode_prompt(problem.prompt),
                *(tokenizer.encode(prefix) if prefix else []),
            ]
            for problem, prefix, _ in errors
        ]
        # Another seed than that of the responses: the same draws would make the same mistake.
        sampling = dataclasses.replace(sampling, n=self.corrections, seed=sampling.seed + 1)

        def whole() -> Iterator[tuple[int, list[Completion]]]:
            for index, outs in sampler.stream(prompts, sampling):
                prefix = errors[index][1]
                yield index, [dataclasses.replace(out, text=prefix + out.text) for out in outs]

        return _graded(context, whole(), [problem for problem, *_ in errors])


def _graded(
    context: Context, stream: Iterator[tuple[int, list[Completion]]], problems: Sequence[Problem]
) -> list[list[tuple[Completion, Verdict]]]:
    pending = context.verifier.start(context.task, problems, stream)
    verdicts = context.verifier.finish(pending)
    return [list(zip(outs, row)) for outs, row in zip(pending.completions, verdicts)]


def _check(context: Context, split: str, problems: int, tokens: int) -> None:
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
