"""Judging answers by energy: scores of answers, and what a choice by them is worth."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.metrics import majority_vote, mean_and_interval
from reasoning_jax.models.energy import (
    largest_energy,
    last_energy,
    mean_energy,
    step_energies,
    token_energies,
)
from reasoning_jax.parallel import batch_ways, put_batch, to_host
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import check_context, evaluation_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.rows import StepRows, step_rows
from reasoning_jax.types import Completion, Problem, Verdict

# Scores of rows, lower is better; of steps, the worst of them.
SCORES = ("mean", "largest", "last", "worst_step")
MOST_STEPS = 64


def judging_block() -> ConfigDict:
    """Which answers are judged, and how."""
    block = evaluation_block("test", problems=256, n=8, max_tokens=32)
    block.separator = ","  # ends a reasoning step
    block.row_tokens = 128  # of a prompt with its answer, at most
    block.rows = 64  # judged at once
    return block


def check_judging(context: Context, block: ConfigDict) -> None:
    """ValueError unless a ``judging_block`` suits task, model and mesh."""
    if context.energy is None:
        raise ValueError("the run has no energy model; set config.energy.landscapes")
    if block.rows % batch_ways(context.mesh):
        raise ValueError(
            f"rows is {block.rows}; it must be a multiple of {batch_ways(context.mesh)} devices"
        )
    if not block.separator:
        raise ValueError("separator is empty; give what ends a reasoning step")
    evaluate.sampling_params(block, seed=0)
    for problem in evaluate.problems_of(context, block):
        check_context(context, problem, block.max_tokens)
        longest = len(context.tokenizer.encode_prompt(problem.prompt)) + block.max_tokens + 1
        if longest > block.row_tokens:
            raise ValueError(
                f"row_tokens is {block.row_tokens}; {problem.id} with max_tokens takes {longest}"
            )


@dataclasses.dataclass(frozen=True)
class Answers:
    """n answers to each of P problems, and what the task says of them.

    Attributes:
      problems: P of them.
      completions, verdicts: [P][n].
    """

    problems: Sequence[Problem]
    completions: Sequence[Sequence[Completion]]
    verdicts: Sequence[Sequence[Verdict]]

    @property
    def right(self) -> np.ndarray:
        """[P, n]."""
        return np.array([[v.correct is True for v in row] for row in self.verdicts])

    @property
    def logprobs(self) -> np.ndarray:
        """[P, n] means over the tokens of an answer, of the model that wrote it."""
        return np.array([[np.mean(c.logprobs) for c in row] for row in self.completions])


def write_answers(context: Context, block: ConfigDict, params: dict) -> Answers:
    """Answers that the energy model with these parameters writes; the same for the same ones."""
    problems = evaluate.problems_of(context, block)
    sampling = evaluate.sampling_params(block, seed=context.config.seed)
    pending = context.verifier.start(
        context.task,
        problems,
        context.sampler(params).stream([problem.prompt for problem in problems], sampling),
    )
    verdicts = context.verifier.finish(pending)
    return Answers(problems, pending.completions, verdicts)


def judge(context: Context, block: ConfigDict) -> Callable[[dict, Answers], dict[str, float]]:
    """(parameters of the judge, answers) -> what choosing among the answers is worth.

    By each of ``SCORES``, by likelihood under the model that wrote them, by majority, at random
    (``eval/pass@1``) and by an oracle (``eval/pass@n``); ``eval/auc_*`` is the chance that a right
    answer scores better than a wrong one.
    """
    scores_of = answer_scores(context, block)

    def metrics_of(params: dict, answers: Answers) -> dict[str, float]:
        right = answers.right
        scores = scores_of(
            params,
            [p.prompt for p, row in zip(answers.problems, answers.completions) for _ in row],
            [c.text for row in answers.completions for c in row],
        )
        chosen = {f"energy_{name}": -s.reshape(right.shape) for name, s in scores.items()}
        chosen["logprob"] = answers.logprobs
        metrics = {"eval/pass@1": float(right.mean())}
        metrics[f"eval/pass@{block.n}"] = float(right.any(axis=1).mean())
        metrics[f"eval/maj@{block.n}"] = _majority(answers.verdicts, right)
        for name, score in chosen.items():
            best = np.take_along_axis(right, score.argmax(axis=1)[:, None], axis=1)
            key = f"eval/best_by_{name}"
            metrics[key], metrics[f"{key}_interval"] = mean_and_interval(best)
            metrics[f"eval/auc_{name}"] = area_under_curve(score.ravel(), right.ravel())
        return metrics

    return metrics_of


def answer_scores(
    context: Context, block: ConfigDict
) -> Callable[[dict, list[str], list[str]], dict[str, np.ndarray]]:
    """(parameters, prompts, responses) -> score [N] by name of ``SCORES``; lower is better."""

    @jax.jit
    def score(params: dict, rows: StepRows) -> dict[str, jax.Array]:
        energies = token_energies(context.energy, params, rows.tokens, rows.segment_ids)
        written = rows.steps >= 0
        return {
            "mean": mean_energy(energies, written),
            "largest": largest_energy(energies, written),
            "last": last_energy(energies, written),
            "worst_step": _worst_step(energies, rows.steps),
        }

    def scores(params: dict, prompts: list[str], responses: list[str]) -> dict[str, np.ndarray]:
        found: dict[str, list[np.ndarray]] = {name: [] for name in SCORES}
        for first in range(0, len(prompts), block.rows):
            some = slice(first, first + block.rows)
            shape = (block.rows, block.row_tokens)
            rows = step_rows(
                context.tokenizer, prompts[some], responses[some], block.separator, shape
            )
            values = to_host(score(params, put_batch(rows, context.mesh)))
            for name in SCORES:
                found[name].append(values[name][: len(prompts[some])])
        return {name: np.concatenate(parts) for name, parts in found.items()}

    return scores


def _worst_step(energies: jax.Array, steps_BxT: jax.Array) -> jax.Array:
    """Largest mean energy [B] of a step; steps beyond ``MOST_STEPS`` do not count."""
    numbers = jax.numpy.arange(MOST_STEPS)
    exists = (steps_BxT[:, :, None] == numbers).any(axis=1)
    return largest_energy(step_energies(energies, steps_BxT, MOST_STEPS), exists)


def _majority(verdicts: Sequence[Sequence[Verdict]], right: np.ndarray) -> float:
    """Share of problems whose most frequent answer is right."""
    hits = 0
    for row, of_row in zip(verdicts, right):
        answers = [verdict.extracted for verdict in row]
        winner = majority_vote(answers)
        hits += winner is not None and bool(of_row[answers.index(winner)])
    return hits / len(verdicts)


def area_under_curve(scores: np.ndarray, right: np.ndarray) -> float:
    """Chance that a right one scores above a wrong one, ties half; 0.5 where all are alike."""
    positive, negative = scores[right], scores[~right]
    if not len(positive) or not len(negative):
        return 0.5
    above = (positive[:, None] > negative[None]).mean()
    return float(above + 0.5 * (positive[:, None] == negative[None]).mean())
