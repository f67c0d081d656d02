"""SuperCorrect's pairs: a teacher's correction of an error against the policy's own."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.functions import function
from reasoning_jax.generators import Generator, LocalGenerator, Request
from reasoning_jax.preference.pairs import Pair, StepFormat, correction_pair
from reasoning_jax.preference.pipeline import ExactJudge, Mistake, collect, grader, locate
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.generators import check_generator
from reasoning_jax.stages.pair_sources import check_problems
from reasoning_jax.types import Problem

Error = tuple[Problem, Mistake]


@dataclasses.dataclass(frozen=True)
class CrossCorrections:
    """Cross-model correction pairs (arXiv 2410.09008) on a task with exact step labels.

    Of a wrong response the first wrong step is located. After it, and the opening of an analysis,
    the policy goes on by itself: its analysis and new step, where that step is wrong again, are
    rejected. Chosen is the teacher's. An inspector, the task, lets a teacher's correction pass
    only where its step is right.

    Attributes:
      split, problems: the first so many problems of the split.
      n, temperature, max_tokens: of the policy's responses.
      corrections: continuations after a wrong step, of policy and teacher alike.
      steps: names the format of steps, whose ``first`` gives analysis and step of a continuation.
      opening: what stands after a wrong step and asks for a correction.
      most: pairs of one problem.
      teacher: names what corrects, a function of `stages.generators` with its keywords; empty for
        the task's own ``correction(problem, index)``.
    """

    steps: Mapping[str, Any]
    split: str = "train"
    problems: int = 1_000
    n: int = 4
    temperature: float = 1.0
    max_tokens: int = 128
    corrections: int = 4
    opening: str = "<Cause>\n"
    most: int = 1
    teacher: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and prompts and responses fit the context."""
        # What follows a wrong step may be as long as the response it is in.
        check_problems(context, self.split, self.problems, 2 * self.max_tokens)
        for n in (self.n, self.corrections):
            SamplingParams(max_tokens=self.max_tokens, temperature=self.temperature, n=n)
        problem = context.task.problem(self.split, 0)
        context.task.step_labels(problem, problem.solution or "")
        function(self.steps, "source.steps")
        if self.teacher:
            check_generator(self.teacher, "source.teacher")
        elif not hasattr(context.task, "correction"):
            raise ValueError(f"{context.task.name} corrects no steps itself; name a source.teacher")

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """Up to ``most`` pairs of each problem."""
        errors = self.errors(context, trained, seed)
        student = self._continued(self._own(context, trained), errors, seed + 1)
        taught = self._taught(context, errors, seed + 1)
        pairs, seen = [], {}
        for error, own, theirs in zip(errors, student, taught):
            problem, mistake = error
            wrong = [trace for trace in own if self._passes(context, error, trace) is False]
            right = [trace for trace in theirs if self._passes(context, error, trace)]
            prefix = mistake.prefix + mistake.rejected + self.opening
            for chosen, rejected in zip(dict.fromkeys(right), dict.fromkeys(wrong)):
                if seen.setdefault(problem.id, 0) < self.most:
                    seen[problem.id] += 1
                    pair = correction_pair(
                        problem.prompt, prefix, (chosen, ""), (rejected, ""), problem.id
                    )
                    pairs.append(pair)
        return tuple(pairs)

    def corrected(self, context: Context, trained: dict, seed: int) -> dict[str, float]:
        """How many located errors there are, and which share of the policy's corrections is right.

        A continuation without a step is no correction.
        """
        errors = self.errors(context, trained, seed)
        student = self._continued(self._own(context, trained), errors, seed + 1)
        passed = [
            self._passes(context, error, trace) is True
            for error, own in zip(errors, student)
            for trace in own
        ]
        share = sum(passed) / max(1, len(errors) * self.corrections)
        return {"errors": float(len(errors)), "corrected": share}

    def errors(self, context: Context, trained: dict, seed: int) -> list[Error]:
        """The policy's first located mistake in each problem."""
        problems = [context.task.problem(self.split, index) for index in range(self.problems)]
        grade = grader(context.verifier, context.task)
        found = collect(self._own(context, trained), grade, problems, self._sampling(self.n, seed))
        found = locate(ExactJudge(context.task), self._steps(), problems, found)
        return [(p, mistake) for p, trace in zip(problems, found) for mistake in trace.mistakes]

    def _steps(self) -> StepFormat:
        return function(self.steps, "source.steps")()

    def _own(self, context: Context, trained: dict) -> Generator:
        return LocalGenerator(context.sampler(trained), context.tokenizer)

    def _sampling(self, n: int, seed: int) -> SamplingParams:
        return SamplingParams(
            max_tokens=self.max_tokens, temperature=self.temperature, n=n, seed=seed
        )

    def _continued(
        self, generator: Generator, errors: Sequence[Error], seed: int
    ) -> list[list[str]]:
        """Analysis and step of each continuation after each error; those without a step are out."""
        requests = [
            Request(problem.prompt, mistake.prefix + mistake.rejected + self.opening, key=place)
            for place, (problem, mistake) in enumerate(errors)
        ]
        found: list[list[str]] = [[] for _ in errors]
        stream = generator.stream(requests, self._sampling(self.corrections, seed))
        for place, outs in stream if requests else ():
            traces = [self._steps().first(out.text, errors[place][1].index) for out in outs]
            found[place] = [trace for trace in traces if trace.strip()]
        return found

    def _taught(self, context: Context, errors: Sequence[Error], seed: int) -> list[list[str]]:
        if self.teacher:
            teacher = function(self.teacher, "source.teacher")(context)
            return self._continued(teacher, errors, seed)
        return [
            ["".join(context.task.correction(problem, mistake.index))]
            for problem, mistake in errors
        ]

    def _passes(self, context: Context, error: Error, trace: str) -> bool | None:
        """Whether the new step is right in place of the wrong one; None where it has no label."""
        problem, mistake = error
        labels = context.task.step_labels(problem, mistake.prefix + trace)
        if len(labels.correct) <= mistake.index:
            return None
        return labels.correct[mistake.index]
