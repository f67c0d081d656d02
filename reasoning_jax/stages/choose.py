"""Ways to choose among the answers of a policy: one, the majority, a reward model's best.

Reranking (arXiv 2110.14168) and RM@N of Qwen2.5-Math (arXiv 2409.12122) beside voting, all on the
same answers.
"""

import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.choosing import best_at_k, pair_accuracy, weighted_at_k
from reasoning_jax.evals.console import evaluation_table
from reasoning_jax.evals.metrics import maj_at_k, mean_and_interval
from reasoning_jax.evals.run import powers_of_two
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import evaluation_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.headed import check_reward_model
from reasoning_jax.stages.reward_scores import RewardScores
from reasoning_jax.stages.stage import Stage


def default_config() -> ConfigDict:
    """The stage's block."""
    block = evaluation_block("test", problems=512, n=8, max_tokens=32)
    block.stage = "reasoning_jax.stages.choose"
    # What scores answers: an earlier stage of this run that keeps a reward model, or a folder.
    block.model = ""
    block.rows = 256  # answers scored at once
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task and model; raises ValueError or FileNotFoundError."""
    if not block.model:
        raise ValueError("model is empty: name a stage that keeps a reward model, or a folder")
    if block.n < 2 or block.rows < 1:
        raise ValueError(f"n is {block.n}, rows {block.rows}: choose among 2 answers or more")
    check_reward_model(context, block.model)
    evaluate.validate(context, block)


def run(stage: Stage, params: dict) -> dict:
    """Samples, scores, logs and prints; returns the parameters unchanged.

    ``eval/rm@k`` is the best-scored of k answers, ``eval/weighted@k`` the vote of k answers
    weighted by sigmoid(score), both beside ``eval/pass@1`` and ``eval/maj@k``.
    """
    context, block = stage.context, stage.config
    problems = evaluate.problems_of(context, block)
    sampling = evaluate.sampling_params(block, seed=context.config.seed)
    prompts = [problem.prompt for problem in problems]
    stream = context.sampler(params).stream(prompts, sampling)
    pending = context.verifier.start(context.task, problems, stream)
    verdicts = context.verifier.finish(pending)
    right = np.array([[v.correct is True for v in row] for row in verdicts])
    answers = [[v.extracted for v in row] for row in verdicts]
    scores = np.array(RewardScores(context, block.model, block.rows)(prompts, pending.completions))
    weights = np.exp(-np.logaddexp(0, -scores))
    metrics = {}
    metrics["eval/pass@1"], metrics["eval/pass@1_interval"] = mean_and_interval(right)
    metrics["eval/pair_accuracy"] = pair_accuracy(scores, right, np.ones_like(right))
    for k in powers_of_two(block.n):
        metrics[f"eval/maj@{k}"] = maj_at_k(answers, right.tolist(), k)
        metrics[f"eval/rm@{k}"] = best_at_k(scores, right, k)
        metrics[f"eval/weighted@{k}"] = weighted_at_k(answers, weights, right, k)
    context.log.log(stage.name, 0, metrics)
    if is_main_process():
        evaluation_table(stage.name, metrics)
    stage.finish(0, params)
    return params
