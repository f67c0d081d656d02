"""Evaluation as a stage of its own: accuracy on a split, before or after any other stage."""

from ml_collections import ConfigDict

from reasoning_jax.evals.console import evaluation_table
from reasoning_jax.evals.run import Evaluation, evaluate
from reasoning_jax.parallel import is_main_process
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.blocks import check_context, evaluation_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.metrics import read_metrics
from reasoning_jax.types import Problem


def default_config() -> ConfigDict:
    """The stage's block."""
    block = evaluation_block("test", problems=512, n=8, max_tokens=32)
    block.stage = "reasoning_jax.stages.evaluate"
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against the task; raises ValueError."""
    sampling_params(block, seed=0)
    for problem in problems_of(context, block):
        check_context(context, problem, block.max_tokens)


def run(stage: Stage, params: dict) -> dict:
    """Evaluates, logs and prints; returns the parameters unchanged."""
    before = last_evaluation(stage)
    evaluation = measure(stage, stage.config, params)
    stage.context.log.log(stage.name, 0, evaluation.metrics)
    stage.context.log.samples(stage.name, 0, evaluation.samples)
    if is_main_process():
        evaluation_table(stage.name, evaluation.metrics, before)
    stage.finish(0, params)
    return params


def measure(stage: Stage, block: ConfigDict, params: dict) -> Evaluation:
    """Evaluates parameters as ``block`` says; the same draws whenever it is asked."""
    context = stage.context
    return evaluate(
        context.sampler(params),
        context.task,
        problems_of(context, block),
        sampling_params(block, seed=stage.context.config.seed),
        context.verifier,
    )


def problems_of(context: Context, block: ConfigDict) -> list[Problem]:
    """The problems an evaluation block names.

    Raises:
      ValueError: more problems asked for than the split has.
    """
    size = context.task.size(block.split)
    count = block.problems or size
    if count < 1 or count > size:
        raise ValueError(
            f"evaluation asks for {count} problems but {context.config.task} has {size} in "
            f"{block.split!r}; change problems (0 is all)"
        )
    return [context.task.problem(block.split, index) for index in range(count)]


def sampling_params(block: ConfigDict, seed: int) -> SamplingParams:
    """The sampling half of an evaluation block."""
    return SamplingParams(
        max_tokens=block.max_tokens,
        temperature=block.temperature,
        top_p=block.top_p,
        top_k=block.top_k,
        n=block.n,
        seed=seed,
    )


def last_evaluation(stage: Stage) -> dict | None:
    """The latest earlier evaluation stage's metrics on the same split, to compare with."""
    config = stage.context.config
    same = {
        name
        for name in config.stages[: stage.index]
        if config[name].stage == stage.config.stage and config[name].split == stage.config.split
    }
    if not same or not is_main_process():
        return None
    lines = [line for line in read_metrics(stage.context.workdir) if line["stage"] in same]
    return lines[-1] if lines else None
