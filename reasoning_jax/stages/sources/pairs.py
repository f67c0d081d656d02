"""Where a preference stage gets its pairs: a file, or the policy's own right and wrong answers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reasoning_jax.functions import function
from reasoning_jax.preference.pairs import (
    Numbered,
    Pair,
    Separated,
    encode_pair,
    outcome_pairs,
    read_pairs,
)
from reasoning_jax.preference.pipeline import (
    ExactJudge,
    Trace,
    assemble,
    collect,
    locate,
    rectify,
    whole_pairs,
)
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.sources.generators import check_generator
from reasoning_jax.stages.sources.own_answers import (
    OwnAnswers,
    check_problems,
    grade_of,
    own_generator,
)
from reasoning_jax.types import Problem


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
class SampledOutcomes(OwnAnswers):
    """Whole responses of the policy, right against wrong.

    Attributes:
      most: pairs of one problem.
    """

    most: int = 1

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """Up to ``most`` pairs of each problem with both right and wrong responses."""
        return tuple(
            pair
            for problem, row in self.graded(context, trained, seed)
            for pair in outcome_pairs(
                problem.prompt,
                # A response cut at the limit has no end to imitate or to avoid.
                [(out.text, v.correct) for out, v in row if out.finish_reason == "stop"],
                self.most,
                problem.id,
            )
        )


@dataclasses.dataclass(frozen=True)
class TeacherAgainstOwn(OwnAnswers):
    """A teacher's right response against the policy's own wrong one: semi-on-policy pairs.

    As Light-R1 (arXiv 2503.10460) and InfiAlign (arXiv 2508.05496) make them. Teacher responses
    that are not right are left out.

    Attributes:
      most: pairs of one problem.
      teacher: names what writes the right responses, a function of `sources.generators` with its
        keywords; empty for the worked solutions of the task.
    """

    n: int = 4
    most: int = 1
    teacher: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def validate(self, context: Context) -> None:
        """ValueError unless the policy and the teacher can be asked."""
        super().validate(context)
        if self.teacher:
            check_generator(self.teacher, "source.teacher")
        elif context.task.problem(self.split, 0).solution is None:
            raise ValueError(f"{context.task.name} has no worked solutions; name a source.teacher")

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """Up to ``most`` pairs of each problem that the policy errs on and the teacher solves."""
        failed = {t.id: t for t in self.traces(context, trained, seed) if t.mistakes}
        problems = [problem for problem in self.asked(context) if problem.id in failed]
        return tuple(
            pair
            for problem, right in zip(problems, self._taught(context, problems, seed))
            for pair in outcome_pairs(
                problem.prompt,
                [
                    *((text, True) for text in right),
                    *((mistake.response, False) for mistake in failed[problem.id].mistakes),
                ],
                self.most,
                problem.id,
            )
        )

    def _taught(
        self, context: Context, problems: Sequence[Problem], seed: int
    ) -> list[tuple[str, ...]]:
        """The teacher's right responses to each problem."""
        if self.teacher:
            teacher = function(self.teacher, "source.teacher")(context)
            traces = collect(teacher, grade_of(context), problems, self.sampling(seed))
            return [trace.right for trace in traces]
        futures = [context.verifier.submit(context.task, p, p.solution or "") for p in problems]
        verdicts = [future.result() for future in futures]
        return [(p.solution,) if v.correct is True else () for p, v in zip(problems, verdicts)]


@dataclasses.dataclass(frozen=True)
class SampledSteps(OwnAnswers):
    """Step-DPO's pairs with the task as judge (arXiv 2406.18629).

    Of a wrong response the first wrong step is the rejected one; the policy goes on from the
    steps before it, and the first steps of what then reaches the right answer are chosen.

    Attributes:
      corrections: continuations sampled from the prefix of a wrong response.
      separator: ends a step.
      step_word: where it is given, steps begin with it and their number instead: ``Step 1:``.
      mistakes: wrong responses of one problem that are corrected.
      most: pairs of one problem; 0 is all.
      corrector: names what writes the corrections, a function of `sources.generators` with its
        keywords; empty for the policy itself.
    """

    corrections: int = 8
    separator: str = "\n"
    step_word: str = ""
    mistakes: int = 1
    most: int = 0
    corrector: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there, prompts and responses fit the context."""
        # A continuation may be as long as the response whose prefix it follows.
        check_problems(context, self.split, self.problems, 2 * self.max_tokens)
        self._corrections(seed=0)
        problem = context.task.problem(self.split, 0)
        context.task.step_labels(problem, problem.solution or "")
        for name, least in (("mistakes", 1), ("most", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"source.{name} is {getattr(self, name)}; at least {least}")
        if self.corrector:
            check_generator(self.corrector, "source.corrector")

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """The pairs of the first wrong responses to each problem."""
        return assemble(self.traces(context, trained, seed), self.most)

    def traces(self, context: Context, trained: dict, seed: int) -> list[Trace]:
        """The corrected mistakes that the pairs are made of."""
        problems = self.asked(context)
        steps = Numbered(self.step_word) if self.step_word else Separated(self.separator)
        found = super().traces(context, trained, seed)
        found = locate(ExactJudge(context.task), steps, problems, found, self.mistakes)
        if self.corrector:
            writer = function(self.corrector, "source.corrector")(context)
        else:
            writer = own_generator(context, trained)
        again = self._corrections(seed)
        return rectify(writer, grade_of(context), steps, problems, found, again)

    def _corrections(self, seed: int) -> SamplingParams:
        # Another seed than that of the responses: the same draws would make the same mistake.
        return dataclasses.replace(self.sampling(seed + 1), n=self.corrections)


@dataclasses.dataclass(frozen=True)
class CorrectedWholes(SampledSteps):
    """The pairs of SampledSteps as whole responses: the corrected against the wrong one.

    What DPO on whole answers learns from the same corrections; with the loss ``chosen_nll``,
    imitation of the rectified responses.
    """

    def pairs(self, context: Context, trained: dict, seed: int) -> tuple[Pair, ...]:
        """Up to ``most`` pairs of each problem."""
        return whole_pairs(self.traces(context, trained, seed), self.most)
