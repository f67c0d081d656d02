"""Step-DPO on long chains against what else may be learnt from the same corrections.

A policy imitates a noisy teacher, then solves 2,000 training problems eight times. Of a wrong
answer the first wrong step is located by the task, and what comes before it is gone on from eight
times; continuations that reach the right answer correct it (arXiv 2406.18629). From that one
pipeline the arms learn, all with the same updates:

  step     Step-DPO: a corrected step against the wrong one
  dpo      DPO on the same pairs, whole: the corrected answer against the wrong one
  sft      imitation of the rectified answers
  foreign  Step-DPO with the corrections of another model, of its own warm-up (variant `teacher`)

  python -m launch.train --config=configs/step_dpo.py:modchain,step --workdir=DIR
  python -m launch.train --config=configs/step_dpo.py:modchain,teacher --workdir=runs/teacher
  python -m launch.train --config=configs/step_dpo.py:modchain,foreign --workdir=DIR \
    --config.learn.source.corrector.folder=runs/teacher
  python -m launch.study --study=configs/studies/step_dpo.py --out=DIR

`wordchain` in place of `modchain` takes stories of six sentences, answered by one equation a line;
`small` behind an arm is for continuous integration. The paper: steps help where chains are long,
and own corrections beat foreign ones.
"""

from ml_collections import ConfigDict

from configs.dpo import get_config as dpo_config
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

TASKS = ("modchain", "wordchain")
ARMS = ("step", "dpo", "sft", "foreign")
TEACHER = "teacher"
VARIANTS = tuple(f"{task},{arm}" for task in TASKS for arm in (*ARMS, TEACHER))
_LOSSES = "reasoning_jax.preference.pair_losses"
_SOURCES = "reasoning_jax.stages.sources.pairs"


def get_config(variant: str = "") -> ConfigDict:
    task, arm, small = _parts(variant)
    config = dpo_config("small" if small else "").unlock()
    config.name, config.header = f"step_dpo:{task},{arm}", __doc__
    for name in ("dpo", "evaluate_dpo"):
        del config[name]
    config.stages = ("sft", "evaluate_sft")
    tokens, separator = _TASKS[task](config, small)
    config.sft.evaluation.max_tokens = config.evaluate_sft.max_tokens = tokens
    if arm == TEACHER:
        # Wider, of other examples and of a more careful teacher: another style of mistakes.
        config.model_overrides.d_model = 192
        config.model_overrides.d_ff = 512
        config.task_options.noise = 0.02
        config.seed = 100
    else:
        _learn(config, arm, tokens, separator, small)
    config.lock()
    return config


def _parts(variant: str) -> tuple[str, str, bool]:
    parts = [part for part in variant.split(",") if part]
    small = "small" in parts
    tasks = [part for part in parts if part in TASKS] or [TASKS[0]]
    arms = [part for part in parts if part in (*ARMS, TEACHER)] or [ARMS[0]]
    known = {"small", *tasks, *arms}
    if len(tasks) > 1 or len(arms) > 1 or not known.issuperset(parts):
        raise ValueError(
            f"step_dpo has no variant {variant!r}: choose a task of {', '.join(TASKS)}, an arm of "
            f"{', '.join((*ARMS, TEACHER))}, as in wordchain,dpo; and ,small for the small form"
        )
    return tasks[0], arms[0], small


def _modchain(config: ConfigDict, small: bool) -> tuple[int, str]:
    if small:
        return 16, ","
    config.task_options.length = 10
    config.sft.row_tokens = 126  # three examples, no padding
    config.sft.gate.at_least = 0.6
    return 24, ","


def _wordchain(config: ConfigDict, small: bool) -> tuple[int, str]:
    config.task = "wordchain"
    del config.task_options["modulus"]
    config.task_options.maximum = 9 if small else 30
    config.task_options.length = 2 if small else 6
    config.sft.row_tokens = 512
    config.sft.rows = 8
    config.sft.drop_longer = True
    config.sft.steps = 3_000  # seeds 0 to 2 pass the gate after 1,600 to 1,900
    config.sft.gate.at_least = 0.6
    if small:
        config.sft.gate.metric = ""  # two hundred steps, wherever they lead
        config.sft.steps, config.sft.evaluate_every = 200, 0
    return (48, "\n") if small else (96, "\n")


_TASKS = {"modchain": _modchain, "wordchain": _wordchain}


def _learn(config: ConfigDict, arm: str, tokens: int, separator: str, small: bool) -> None:
    learn = add_stage(config, "learn", "reasoning_jax.stages.preference")
    whole = arm in ("dpo", "sft")
    learn.source = named(
        f"{_SOURCES}.CorrectedWholes" if whole else f"{_SOURCES}.SampledSteps",
        problems=500 if small else 2_000,
        n=8,
        max_tokens=tokens,
        corrections=8,
        separator=separator,
        most=2,
        corrector={},
    )
    if arm == "foreign":
        learn.source.corrector = named(
            "reasoning_jax.stages.sources.generators.model_folder", folder=""
        )
    # The paper's beta. At 0.1 both arms unlearn stories: greedy accuracy from 63 to 20 and 6 %.
    nll, dpo = named(f"{_LOSSES}.chosen_nll"), named(f"{_LOSSES}.dpo", beta=0.5)
    learn.loss = nll if arm == "sft" else dpo
    learn.max_length = 48 if config.task == "modchain" else 512
    learn.max_context = learn.max_length - 16 if config.task == "modchain" else 400
    learn.pairs = 16 if small else 64
    if config.task == "wordchain":
        # Few rows of 256 tokens at a time stay in a CPU's cache: 1.3 times as fast as all 128.
        learn.micro_batches = 2 if small else 8
    learn.steps = 20 if small else 150
    learn.evaluate_every = 10 if small else 50
    learn.evaluation.max_tokens = tokens
    evaluation = add_stage(config, "evaluate_learn", "reasoning_jax.stages.evaluate")
    evaluation.max_tokens = tokens
    if small:
        evaluation.problems = learn.evaluation.problems = 64
