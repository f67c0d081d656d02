"""Whether an energy tells right answers from wrong: best of N samples by energy.

The energy model writes N answers to each problem and judges them itself. Beside it stand what
costs nothing more: the likelihood of the answer, the majority, one sample alone, and the oracle.
"""

from ml_collections import ConfigDict

from reasoning_jax.evals.console import evaluation_table
from reasoning_jax.evals.run import sample_row
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.judging import check_judging, judge, judging_block, write_answers
from reasoning_jax.stages.stage import Stage


def default_config() -> ConfigDict:
    """The stage's block."""
    block = judging_block()
    block.stage = "reasoning_jax.stages.energy.verify"
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task and model; raises ValueError."""
    check_judging(context, block)


def run(stage: Stage, params: dict) -> dict:
    """Samples, judges, logs and prints; returns the parameters unchanged."""
    context, block = stage.context, stage.config
    answers = write_answers(context, block, params)
    metrics = judge(context, block)(params, answers)
    samples = [
        sample_row(problem, outs[0], row[0])
        for problem, outs, row in zip(answers.problems, answers.completions, answers.verdicts)
    ]
    context.log.log(stage.name, 0, metrics)
    context.log.samples(stage.name, 0, samples)
    if is_main_process():
        evaluation_table(stage.name, metrics)
    stage.finish(0, params)
    return params
