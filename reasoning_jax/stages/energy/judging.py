"""Judging answers by energy: scores of answers, and what a choice by them is worth."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.metrics import majority_vote, mean_and_interval
from reasoning_jax.models.energy import (
    draw_start,
    largest_energy,
    last_energy,
    mean_energy,
    step_energies,
    token_energies,
    token_rises,
)
from reasoning_jax.parallel import batch_ways, put_batch, to_host
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import check_context, evaluation_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.model import energy_thinking
from reasoning_jax.stages.energy.rows import StepRows, step_rows
from reasoning_jax.types import Completion, Problem, Verdict

MOST_STEPS = 64


def judging_block() -> ConfigDict:
    """Which answers are judged, and how."""
    block = evaluation_block("test", problems=256, n=8, max_tokens=32)
    block.separator = ","  # ends a reasoning step
    block.row_tokens = 128  # of a prompt with its answer, at most
    # judged at once; rises hold rows x row_tokens x vocabulary numbers
    block.rows = 64
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

    By each of ``answer_scores``, by likelihood under the model that wrote them, by majority, at
    random (``eval/pass@1``) and by an oracle (``eval/pass@n``); ``eval/auc_*`` is the chance that a
    right answer scores better than a wrong one.
    """
    scores_of = answer_scores(context, block)

    def metrics_of(params: dict, answers: Answers) -> dict[str, float]:
        right = answers.right
        scores = scores_of(
            params,
            [p.prompt for p, row in zip(answers.problems, answers.completions) for _ in row],
            [c.text for row in answers.completions for c in row],
        )
        chosen = {name: -score.reshape(right.shape) for name, score in scores.items()}
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
    """(parameters, prompts, responses) -> score [N] by name; lower is better.

    Of the energies of an answer's tokens, and of how far they rise above what thinking arrives at:
    the mean, the largest, the last, and the largest mean of a step.
    """
    energy, thinking = context.energy, energy_thinking(context.config.energy)

    @jax.jit
    def score(params: dict, rows: StepRows) -> dict[str, jax.Array]:
        keys = jax.random.split(jax.random.key(0), len(rows.tokens))
        start = draw_start(energy, thinking, keys, rows.tokens.shape[1])
        tokens, segments = rows.tokens, rows.segment_ids
        kinds = {
            "energy": token_energies(energy, params, tokens, segments),
            "rise": token_rises(energy, params, tokens, segments, start, thinking),
        }
        return {
            f"{kind}_{name}": values
            for kind, energies in kinds.items()
            for name, values in _pooled(energies, rows.steps).items()
        }

    def scores(params: dict, prompts: list[str], responses: list[str]) -> dict[str, np.ndarray]:
        parts = []
        for first in range(0, len(prompts), block.rows):
            some = slice(first, first + block.rows)
            shape = (block.rows, block.row_tokens)
            rows = step_rows(
                context.tokenizer, prompts[some], responses[some], block.separator, shape
            )
            values = to_host(score(params, put_batch(rows, context.mesh)))
            parts.append({name: x[: len(prompts[some])] for name, x in values.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return scores


def _pooled(energies_BxT: jax.Array, steps_BxT: jax.Array) -> dict[str, jax.Array]:
    """One number [B] of the tokens that belong to steps, in four ways."""
    written = steps_BxT >= 0
    return {
        "mean": mean_energy(energies_BxT, written),
        "largest": largest_energy(energies_BxT, written),
        "last": last_energy(energies_BxT, written),
        "worst_step": _worst_step(energies_BxT, steps_BxT),
    }


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
