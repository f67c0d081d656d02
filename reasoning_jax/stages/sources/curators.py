"""What a ``curate`` stage may do: choose among worked solutions, or keep what the policy writes.

Each has ``validate(context)`` and ``examples(context, trained, seed) -> (examples, metrics)``.
"""

import dataclasses
import hashlib
import re
from collections.abc import Sequence

import numpy as np

from reasoning_jax.curation import Benchmark, clusters, select, stages_by_passes
from reasoning_jax.preference.pipeline.grading import Graded
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.examples import Example
from reasoning_jax.stages.headed import check_reward_model
from reasoning_jax.stages.reward_scores import RewardScores
from reasoning_jax.stages.sources.own_answers import OwnAnswers, check_problems, graded_answers
from reasoning_jax.types import Problem

Curated = tuple[tuple[Example, ...], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Solutions:
    """Worked solutions of a split whose answer is right, each question once.

    Attributes:
      split, problems: the first so many problems of the split.
      words: questions that share so many words in a row with a test question, or equal one but
        for digits and punctuation, are left out; 0 does not look.
    """

    split: str = "train"
    problems: int = 2_000
    words: int = 0

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there, with solutions."""
        check_problems(context, self.split, self.problems, 1)
        if context.task.problem(self.split, 0).solution is None:
            raise ValueError(f"{context.task.name} has no worked solutions to choose from")

    def examples(self, context: Context, trained: dict, seed: int) -> Curated:
        """All that pass."""
        pool, counts = self.pool(context)
        return tuple(map(_solved, pool)), counts

    def pool(self, context: Context) -> tuple[list[Problem], dict[str, float]]:
        """The problems whose solutions may be chosen, and how many are left after each filter."""
        problems = [context.task.problem(self.split, index) for index in range(self.problems)]
        counts = {"pool": float(len(problems))}
        problems = list({problem.prompt: problem for problem in problems}.values())
        counts["distinct"] = float(len(problems))
        if self.words:
            test = context.task.size("test")
            questions = (context.task.problem("test", index).prompt for index in range(test))
            benchmark = Benchmark(questions, self.words)
            problems = [problem for problem in problems if not benchmark.holds(problem.prompt)]
            counts["clean"] = float(len(problems))
        pending = [
            context.verifier.submit(context.task, problem, problem.solution or "")
            for problem in problems
        ]
        verdicts = [future.result() for future in pending]
        problems = [p for p, verdict in zip(problems, verdicts) if verdict.correct is True]
        return problems, {**counts, "verified": float(len(problems))}


@dataclasses.dataclass(frozen=True)
class Selected(Solutions):
    """InfiAlign's selection (arXiv 2508.05496): quotas over groups, the hardest of each.

    A group is a cluster of questions that use the same words; the hardest are those that the
    policy solves least often, and of those the longest.

    Attributes:
      budget: examples to choose.
      groups: most clusters.
      n, temperature, max_tokens: of the samples that difficulty is measured by; n = 0 takes the
        length of the solution alone.
    """

    budget: int = 240
    groups: int = 8
    n: int = 4
    temperature: float = 1.0
    max_tokens: int = 32

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and a budget can be chosen of them."""
        super().validate(context)
        _check_sampling(context, self)
        if not 1 <= self.budget <= self.problems:
            raise ValueError(f"budget is {self.budget}; choose from 1 to problems {self.problems}")
        if self.groups < 1:
            raise ValueError(f"groups is {self.groups}; it must be at least 1")

    def examples(self, context: Context, trained: dict, seed: int) -> Curated:
        """The selected solutions."""
        pool, counts = self.pool(context)
        if not pool:
            return (), counts
        group = clusters(word_counts([p.prompt for p in pool]), self.groups, seed)
        passes = _pass_counts(context, trained, pool, self, seed)
        longest = max(len(problem.solution) for problem in pool)
        chosen = select(
            range(len(pool)),
            self.budget,
            bucket=lambda i: int(group[i]),
            difficulty=lambda i: -passes[i] + len(pool[i].solution) / (longest + 1),
        )
        counts |= {
            "selected": float(len(chosen)),
            "groups": float(len(set(group.tolist()))),
            "passes_of_pool": float(np.mean(passes)),
            "passes_of_selected": float(np.mean([passes[i] for i in chosen])),
        }
        return tuple(_solved(pool[i]) for i in chosen), counts


@dataclasses.dataclass(frozen=True)
class Drawn(Solutions):
    """So many of the right solutions at random: what a selection is compared with.

    Attributes:
      budget: examples to choose.
    """

    budget: int = 240

    def examples(self, context: Context, trained: dict, seed: int) -> Curated:
        """A random part."""
        pool, counts = self.pool(context)
        order = np.random.default_rng(seed).permutation(len(pool))[: self.budget]
        counts["selected"] = float(len(order))
        return tuple(_solved(pool[i]) for i in sorted(order)), counts


@dataclasses.dataclass(frozen=True)
class Harder(Solutions):
    """Light-R1's later stages (arXiv 2503.10460): solutions of what the policy seldom solves.

    Attributes:
      below: a question is kept when fewer of ``n`` samples are right.
      n, temperature, max_tokens: of sampling.
    """

    below: int = 2
    n: int = 4
    temperature: float = 1.0
    max_tokens: int = 32

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and the threshold can part them."""
        super().validate(context)
        _check_sampling(context, self)
        if not 1 <= self.below <= self.n:
            raise ValueError(f"below is {self.below}; it parts counts of 0 to n = {self.n}")

    def examples(self, context: Context, trained: dict, seed: int) -> Curated:
        """The hard ones."""
        pool, counts = self.pool(context)
        passes = _pass_counts(context, trained, pool, self, seed)
        (kept,) = stages_by_passes([True] * len(pool), passes, (self.below,))
        counts |= {"selected": float(len(kept)), "passes_of_pool": float(np.mean(passes or [0]))}
        return tuple(_solved(pool[i]) for i in kept), counts


@dataclasses.dataclass(frozen=True)
class OwnRight(OwnAnswers):
    """Distinct right responses that the policy writes itself (rejection sampling).

    Attributes:
      most: of one problem, the first ones; 0 is all.
      path: only answers that the task's grader found in this way; empty for any.
      solutions: how many worked solutions of the split stand before them, as the seed data that
        the base is trained on again.
    """

    n: int = 4
    most: int = 1
    path: str = ""
    solutions: int = 0

    def validate(self, context: Context) -> None:
        """ValueError unless the problems are there and prompts and responses fit the context."""
        size = context.task.size(self.split)
        if not 1 <= self.problems <= size or not 0 <= self.solutions <= size:
            raise ValueError(
                f"problems {self.problems} and solutions {self.solutions}: {self.split!r} has "
                f"{size}, of which at least one problem is asked"
            )
        _check_sampling(context, self)

    def examples(self, context: Context, trained: dict, seed: int) -> Curated:
        """Worked solutions, then own right responses, with the results of tools in place."""
        seeds = [context.task.problem(self.split, index) for index in range(self.solutions)]
        problems, found = self.asked(context), []
        graded = graded_answers(context, trained, problems, self.sampling(seed))
        for problem, row in zip(problems, self.ordered(context, problems, graded)):
            texts = dict.fromkeys(
                out.transcript or out.text
                for out, verdict in row
                if verdict.correct is True
                and (not self.path or verdict.path == self.path)
                and out.finish_reason == "stop"
                and out.text.strip()
            )
            for text in list(texts)[: self.most or None]:
                found.append(Example(problem.prompt, text, problem.id))
        counts = {"problems": float(len(problems)), "own": float(len(found))}
        return (*map(_solved, seeds), *found), counts

    def ordered(
        self, context: Context, problems: Sequence[Problem], graded: Sequence[Graded]
    ) -> Sequence[Graded]:
        """Each problem's responses in the order in which they are taken: as they came."""
        return graded


@dataclasses.dataclass(frozen=True)
class BestScored(OwnRight):
    """Of a problem's distinct right responses those that a reward model scores highest.

    Qwen2.5-Math's rounds (arXiv 2409.12122): each round's model chooses what the next one imitates.

    Attributes:
      model: an earlier stage of the run that keeps a reward model, or a folder.
    """

    model: str = ""

    def validate(self, context: Context) -> None:
        """ValueError unless what ``OwnRight`` asks for is there, and a reward model."""
        super().validate(context)
        if not self.model:
            raise ValueError("model is empty: name a stage that keeps a reward model, or a folder")
        check_reward_model(context, self.model)

    def ordered(
        self, context: Context, problems: Sequence[Problem], graded: Sequence[Graded]
    ) -> list[Graded]:
        """The responses by falling score."""
        completions = [[out for out, _ in row] for row in graded]
        scores = RewardScores(context, self.model)([p.prompt for p in problems], completions)
        return [
            [row[i] for i in sorted(range(len(row)), key=lambda i, of=of_row: -of[i])]
            for row, of_row in zip(graded, scores)
        ]


def word_counts(texts: Sequence[str], width: int = 256) -> np.ndarray:
    """Hashed counts [N, width] of the words of texts, and of single marks; digits are no words."""
    rows = np.zeros((len(texts), width))
    for row, text in enumerate(texts):
        for word in re.findall(r"[^\W\d_]+|[^\w\s]", text.lower()):
            digest = hashlib.sha256(word.encode()).digest()
            rows[row, int.from_bytes(digest[:4], "big") % width] += 1
    return rows


def _solved(problem: Problem) -> Example:
    return Example(problem.prompt, problem.solution or "", problem.id)


def _sampling(settings, seed: int) -> SamplingParams:
    return SamplingParams(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        n=settings.n,
        seed=seed,
    )


def _check_sampling(context: Context, settings) -> None:
    if settings.n:
        _sampling(settings, seed=0)
    longest = max(
        len(context.tokenizer.encode_prompt(context.task.problem(settings.split, index).prompt))
        for index in range(min(settings.problems, 1_000))
    )
    if longest + settings.max_tokens > context.model.max_position:
        raise ValueError(
            f"prompts of {longest} and responses of up to {settings.max_tokens} tokens exceed the "
            f"context of {context.model.max_position}"
        )


def _pass_counts(
    context: Context, trained: dict, problems: Sequence[Problem], settings, seed: int
) -> list[int]:
    """How many of a problem's ``n`` samples are right; zeros where there are none."""
    if not settings.n or not problems:
        return [0] * len(problems)
    graded = graded_answers(context, trained, problems, _sampling(settings, seed))
    return [sum(verdict.correct is True for _, verdict in row) for row in graded]
