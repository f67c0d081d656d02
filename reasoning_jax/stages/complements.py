"""Has a model write complements of prompts, for a run whose prompts carry them.

The augmentation model of Baichuan Alignment (arXiv 2410.14940), after PAS (arXiv 2407.06027): the
run's own policy, once it has learned to, or any generator. The file is ``complements.jsonl`` in
the workdir, records ``prompt`` and ``complement``.
"""

from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.generators import LocalGenerator, Request
from reasoning_jax.parallel import is_main_process
from reasoning_jax.preference.pairs.written import write_records
from reasoning_jax.preference.pipeline import grader
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.sources.generators import check_generator
from reasoning_jax.stages.sources.pairs import check_problems
from reasoning_jax.stages.stage import Stage

FILE = "complements.jsonl"


def default_config() -> ConfigDict:
    """The stage's block."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.complements"
    # names what writes, a function of `sources.generators` with keywords; empty: the policy
    block.generator = ConfigDict()
    # the first so many problems of each split
    block.problems = ConfigDict({"train": 20_000, "validation": 0, "test": 512})
    block.max_tokens = 24
    block.temperature = 0.0
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task and model; raises ValueError."""
    SamplingParams(max_tokens=block.max_tokens, temperature=block.temperature)
    if not any(block.problems.values()):
        raise ValueError("problems names none; give a split at least one")
    for split, count in block.problems.items():
        if count:
            check_problems(context, split, count, block.max_tokens)
    if block.generator:
        check_generator(block.generator, "generator")


def run(stage: Stage, params: dict) -> dict:
    """Writes the file and logs ``complements/right``, the share that the task calls right.

    A complement is the first line of what is written. Returns the parameters unchanged.
    """
    context, block = stage.context, stage.config
    problems = [
        context.task.problem(split, index)
        for split, count in block.problems.items()
        for index in range(count)
    ]
    # A prompt drawn twice is asked once.
    problems = list({problem.prompt: problem for problem in problems}.values())
    if block.generator:
        generator = function(block.generator, "generator")(context)
    else:
        generator = LocalGenerator(context.sampler(params), context.tokenizer)
    requests = [Request(problem.prompt, key=place) for place, problem in enumerate(problems)]
    sampling = SamplingParams(
        max_tokens=block.max_tokens, temperature=block.temperature, seed=stage.seed(0)
    )
    grade = grader(context.verifier, context.task)
    rows = list(grade(problems, generator.stream(requests, sampling)))
    if is_main_process():
        write_records(
            context.workdir / FILE,
            (
                {"prompt": problem.prompt, "complement": _first_line(row[0][0].text)}
                for problem, row in zip(problems, rows)
            ),
        )
    right = sum(row[0][1].correct is True for row in rows)
    context.log.log(
        stage.name,
        0,
        {"complements/written": float(len(rows)), "complements/right": right / len(rows)},
    )
    stage.finish(0, params)
    return params


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].strip() if lines else ""
