"""Whether an energy tells right answers from wrong: best of N samples by energy.

The energy model writes N answers to each problem and judges them itself. Beside it stand what
costs nothing more: the likelihood of the answer, the majority, one sample alone, and the oracle.
"""

from collections.abc import Callable

import jax
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.console import evaluation_table
from reasoning_jax.evals.metrics import majority_vote, mean_and_interval
from reasoning_jax.evals.run import sample_row
from reasoning_jax.models.energy import (
    largest_energy,
    last_energy,
    mean_energy,
    step_energies,
    token_energies,
)
from reasoning_jax.parallel import batch_ways, is_main_process, put_batch, to_host
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import check_context, evaluation_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.rows import StepRows, step_rows
from reasoning_jax.stages.stage import Stage

# Scores of rows, lower is better; of steps, the worst of them.
SCORES = ("mean", "largest", "last", "worst_step")
MOST_STEPS = 64


def default_config() -> ConfigDict:
    """The stage's block."""
    block = evaluation_block("test", problems=256, n=8, max_tokens=32)
    block.stage = "reasoning_jax.stages.energy.verify"
    block.separator = ","  # ends a reasoning step
    block.row_tokens = 128  # of a prompt with its answer, at most
    block.rows = 64  # judged at once
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task and model; raises ValueError."""
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


def run(stage: Stage, params: dict) -> dict:
    """Samples, judges, logs and prints; returns the parameters unchanged."""
    context, block = stage.context, stage.config
    problems = evaluate.problems_of(context, block)
    sampling = evaluate.sampling_params(block, seed=context.config.seed)
    prompts = [problem.prompt for problem in problems]
    pending = context.verifier.start(
        context.task, problems, context.sampler(params).stream(prompts, sampling)
    )
    completions, verdicts = pending.completions, context.verifier.finish(pending)
    right = np.array([[v.correct is True for v in row] for row in verdicts])
    scores = answer_scores(context, block)(
        params,
        [prompt for prompt in prompts for _ in range(block.n)],
        [c.text for row in completions for c in row],
    )
    logprobs = np.array([[np.mean(c.logprobs) for c in row] for row in completions])
    chosen = {f"energy_{name}": -s.reshape(right.shape) for name, s in scores.items()}
    chosen["logprob"] = logprobs
    metrics = {"eval/pass@1": float(right.mean())}
    metrics[f"eval/pass@{block.n}"] = float(right.any(axis=1).mean())
    metrics[f"eval/maj@{block.n}"] = _majority(verdicts, right)
    for name, score in chosen.items():
        best = np.take_along_axis(right, score.argmax(axis=1)[:, None], axis=1)
        key = f"eval/best_by_{name}"
        metrics[key], metrics[f"{key}_interval"] = mean_and_interval(best)
        metrics[f"eval/auc_{name}"] = area_under_curve(score.ravel(), right.ravel())
    samples = [
        sample_row(problem, outs[0], row[0])
        for problem, outs, row in zip(problems, completions, verdicts)
    ]
    context.log.log(stage.name, 0, metrics)
    context.log.samples(stage.name, 0, samples)
    if is_main_process():
        evaluation_table(stage.name, metrics)
    stage.finish(0, params)
    return params


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


def _majority(verdicts, right: np.ndarray) -> float:
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
