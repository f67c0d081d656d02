"""A verifier chooses among solutions: pessimistic verification (Heimdall, arXiv 2504.10337).

The policy is a verifier, its task ``reasoning_jax.rewards.verdicts:Verdicts``. A noisy solver
writes N solutions to each problem, the verifier M verdicts on each. Measured are single verdicts,
choosing an answer by them, and finding wrong solutions, as planted wrong labels of a data set.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.choosing import pessimistic_choice
from reasoning_jax.evals.console import evaluation_table
from reasoning_jax.evals.metrics import majority_vote
from reasoning_jax.evals.run import powers_of_two
from reasoning_jax.parallel import is_main_process
from reasoning_jax.rewards.verdicts import RIGHT, Verdicts
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import check_context, evaluation_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.stage import Stage
from reasoning_jax.types import Problem


def default_config() -> ConfigDict:
    """The stage's block; ``n`` is M, verdicts on each solution."""
    block = evaluation_block("test", problems=128, n=8, max_tokens=32)
    block.stage = "reasoning_jax.stages.pessimism"
    block.solutions = 8  # N, to each problem
    block.solver = ConfigDict()  # knobs of the base task that the solver has otherwise
    block.alphas = (0.0, 0.1, 1.0)  # of the penalty; 0.1 is the paper's
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against the task; raises ValueError."""
    if not isinstance(context.task, Verdicts):
        raise ValueError(
            f"the task is {context.task.name}; set it to {Verdicts.__module__}:Verdicts"
        )
    if block.solutions < 1 or not 1 <= block.problems <= context.task.size(block.split):
        raise ValueError(
            f"solutions {block.solutions} and problems {block.problems}: at least 1 of each, and "
            f"{block.split!r} has {context.task.size(block.split)} problems"
        )
    evaluate.sampling_params(block, seed=0)
    for _, verifications in _posed(context.task, block):
        for verification in verifications:
            check_context(context, verification, block.max_tokens)


def run(stage: Stage, params: dict) -> dict:
    """Samples verdicts, logs and prints; returns the parameters unchanged."""
    context, block = stage.context, stage.config
    task = context.task
    posed = _posed(task, block)
    asked = [verification for _, verifications in posed for verification in verifications]
    sampling = evaluate.sampling_params(block, seed=context.config.seed)
    sampler, rows = context.sampler(params), [[] for _ in asked]
    for place, outs in sampler.stream([one.prompt for one in asked], sampling):
        rows[place] = [task.read(out.text) for out in outs]
    shape = (len(posed), block.solutions, block.n)
    said = np.array([[said is True for said in row] for row in rows], float).reshape(shape)
    right = np.array([one.answer == RIGHT for one in asked]).reshape(shape[:2])
    answers = [
        [task.base_verdict(problem, one.info["solution"]).extracted for one in verifications]
        for problem, verifications in posed
    ]
    metrics = {
        "eval/pass@1": float(np.mean(said == right[:, :, None])),
        "eval/unread": float(np.mean([said is None for row in rows for said in row])),
        f"eval/verdict_maj@{block.n}": float(np.mean((said.mean(axis=2) > 0.5) == right)),
        "eval/solver_pass@1": float(right.mean()),
        f"eval/solver_maj@{block.solutions}": _share(map(majority_vote, answers), answers, right),
        **_chosen(answers, said, right, block.alphas),
        **_flaws(said, right),
    }
    context.log.log(stage.name, 0, metrics)
    if is_main_process():
        evaluation_table(stage.name, metrics)
    stage.finish(0, params)
    return params


def _posed(task: Verdicts, block: ConfigDict) -> list[tuple[Problem, tuple[Problem, ...]]]:
    solver = task.solver(block.solver.to_dict())
    return [
        task.solutions(block.split, index, block.solutions, solver)
        for index in range(block.problems)
    ]


def _chosen(
    answers: Sequence[Sequence[Hashable | None]],
    said: np.ndarray,
    right: np.ndarray,
    alphas: Sequence[float],
) -> dict[str, float]:
    """Share of problems whose chosen answer is right, by alpha and number of verdicts."""
    found = {}
    for alpha in alphas:
        for verdicts in (1, *powers_of_two(said.shape[2])):
            choices = [
                pessimistic_choice(row, of_row[:, :verdicts].tolist(), alpha=alpha)
                for row, of_row in zip(answers, said)
            ]
            name = f"eval/pessimistic_{alpha:g}@{said.shape[1]}x{verdicts}"
            found[name] = _share(choices, answers, right)
    return found


def _share(choices, answers: Sequence[Sequence[Hashable | None]], right: np.ndarray) -> float:
    hits = [
        choice is not None and bool(of_row[list(row).index(choice)])
        for choice, row, of_row in zip(choices, answers, right, strict=True)
    ]
    return float(np.mean(hits))


def _flaws(said: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Wrong solutions as the verifier's mean verdict finds them: how many, how precisely."""
    flagged = said.mean(axis=2) < 0.5
    found = {"eval/flaws": float(np.mean(~right)), "eval/flagged": float(np.mean(flagged))}
    if (~right).any():
        found["eval/flaws_found"] = float(flagged[~right].mean())
    if flagged.any():
        found["eval/flags_right"] = float((~right)[flagged].mean())
    return found
