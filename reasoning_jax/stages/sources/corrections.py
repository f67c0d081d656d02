"""SuperCorrect's pairs: a teacher's correction of an error against the policy's own."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reasoning_jax.functions import function
from reasoning_jax.generators import Generator, LocalGenerator, Request
from reasoning_jax.preference.pairs import Pair, StepFormat, correction_pair
from reasoning_jax.preference.pipeline import (
    ExactJudge,
    Mistake,
    collect,
    grader,
    inspect_corrections,
    locate,
)
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.sources.generators import check_generator
from reasoning_jax.stages.sources.pairs import check_problems
from reasoning_jax.types import Problem

Error = tuple[Problem, Mistake]


@dataclasses.dataclass(frozen=True)
class CrossCorrections:
    """Cross-model correction pairs (arXiv 2410.09008) on a task with exact step labels.

    Of a wrong response the first wrong step is located. After it, and the opening of an analysis,
    the policy goes on by itself: its analysis and new step, where that step is wrong again, are
    rejected. Chosen is the teacher's, which passes only where its step is right by the task's
    labels. What does not pass an inspector rewrites: it goes on behind the failed correction, and
    what it writes stands in place of that one if it passes.

    Attributes:
      split, problems: the first so many problems of the split.
      n, temperature, max_tokens: of the policy's responses.
      corrections: continuations after a wrong step, of policy and teacher alike.
      steps: names the format of steps, whose ``first`` gives analysis and step of a continuation.
      opening: what stands after a wrong step and asks for a correction.
      most: pairs of one problem.
      teacher: names what corrects, a function of `sources.generators` with its keywords; empty for
        the task's own ``correction(problem, index)``.
      rounds: how often the inspector rewrites where fewer than ``most`` corrections of an error
        pass; 0 drops what fails.
      inspector: names what rewrites, as ``teacher`` does.
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
    rounds: int = 1
    inspector: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and prompts and responses fit the context."""
        # What follows a wrong step may be as long as the response it is in, and what is rewritten
        # stands behind a correction that failed.
        parts = 3 if self.inspector and self.rounds else 2
        check_problems(context, self.split, self.problems, parts * self.max_tokens)
        for n in (self.n, self.corrections):
            SamplingParams(max_tokens=self.max_tokens, temperature=self.temperature, n=n)
        problem = context.task.problem(self.split, 0)
        context.task.step_labels(problem, problem.solution or "")
        function(self.steps, "source.steps")
        if self.rounds < 0:
            raise ValueError(f"source.rounds is {self.rounds}; it is at least 0")
        for name in ("teacher", "inspector") if self.rounds else ("teacher",):
            if spec := getattr(self, name):
                check_generator(spec, f"source.{name}")
            elif not hasattr(context.task, "correction"):
                raise ValueError(
                    f"{context.task.name} corrects no steps itself; name a source.{name}"
                    + (", or set rounds to 0" if name == "inspector" else "")
                )

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """Up to ``most`` pairs of each problem."""
        errors = self.errors(context, trained, seed)
        student = self._own_corrections(context, trained, errors, seed + 1)
        taught = self._taught(context, errors, seed + 1)
        pairs, seen = [], {}
        for error, own, right in zip(errors, student, taught):
            problem, mistake = error
            wrong = [trace for trace in own if self._passes(context, error, trace) is False]
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
        student = self._own_corrections(context, trained, errors, seed + 1)
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

    def _own_corrections(
        self, context: Context, trained: dict, errors: Sequence[Error], seed: int
    ) -> list[list[str]]:
        return self._continued(self._own(context, trained), range(len(errors)), errors, seed)

    def _steps(self) -> StepFormat:
        return function(self.steps, "source.steps")()

    def _own(self, context: Context, trained: dict) -> Generator:
        return LocalGenerator(context.sampler(trained), context.tokenizer)

    def _sampling(self, n: int, seed: int) -> SamplingParams:
        return SamplingParams(
            max_tokens=self.max_tokens, temperature=self.temperature, n=n, seed=seed
        )

    def _taught(self, context: Context, errors: Sequence[Error], seed: int) -> list[list[str]]:
        """Right corrections of each error: the teacher's, and those that the inspector rewrote."""
        everywhere = range(len(errors))
        first = self._corrector(context, "teacher")(everywhere, errors, seed)
        # Made when it is first needed, and once: it may have to be loaded.
        inspector = functools.cache(lambda: self._corrector(context, "inspector"))

        def rewrite(places: Sequence[int], failed: Sequence[str], number: int) -> list[list[str]]:
            chosen = [errors[place] for place in places]
            return inspector()(places, chosen, seed + number, failed)

        def passes(place: int, trace: str) -> bool | None:
            return self._passes(context, errors[place], trace)

        return inspect_corrections(first, passes, rewrite, self.most, self.rounds)

    def _corrector(self, context: Context, who: str) -> Callable[..., list[list[str]]]:
        """Writes corrections as ``_continued`` does, by the generator that ``who`` names."""
        if spec := getattr(self, who):
            return functools.partial(self._continued, function(spec, f"source.{who}")(context))

        def task(keys: Sequence[int], errors: Sequence[Error], *_) -> list[list[str]]:
            found = [context.task.correction(p, mistake.index) for p, mistake in errors]
            return [[] if one is None else ["".join(one)] for one in found]

        return task

    def _continued(
        self,
        generator: Generator,
        keys: Sequence[int],
        errors: Sequence[Error],
        seed: int,
        failed: Sequence[str] = (),
    ) -> list[list[str]]:
        """Analysis and step of each continuation after each error; those without a step are out.

        Args:
          keys: of the draws of each error.
          failed: corrections that stand between an error and its continuation, "" for none.
        """
        requests = [
            Request(
                problem.prompt,
                mistake.prefix + mistake.rejected + self.opening + (again and again + self.opening),
                key=key,
            )
            for key, (problem, mistake), again in zip(keys, errors, failed or [""] * len(errors))
        ]
        found: list[list[str]] = [[] for _ in errors]
        stream = generator.stream(requests, self._sampling(self.corrections, seed))
        for place, outs in stream if requests else ():
            traces = [self._steps().first(out.text, errors[place][1].index) for out in outs]
            found[place] = [trace for trace in traces if trace.strip()]
        return found

    def _passes(self, context: Context, error: Error, trace: str) -> bool | None:
        """Whether the new step is right in place of the wrong one; None where it has no label."""
        problem, mistake = error
        labels = context.task.step_labels(problem, mistake.prefix + trace)
        if len(labels.correct) <= mistake.index:
            return None
        return labels.correct[mistake.index]
