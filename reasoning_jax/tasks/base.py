"""What every task offers, and how one is found by name."""

import importlib
import inspect
from typing import Any, Protocol, runtime_checkable

from reasoning_jax.types import Check, Problem, StepLabels, Verdict

EMBEDDED = {
    "modchain": "reasoning_jax.tasks.modchain:ModChain",
    "wordchain": "reasoning_jax.tasks.wordchain:WordChain",
    "countdown": "reasoning_jax.tasks.countdown:Countdown",
    "knights": "reasoning_jax.tasks.knights:Knights",
    "dag": "reasoning_jax.tasks.dag:Dag",
    "bigchain": "reasoning_jax.tasks.bigchain:BigChain",
    "markov": "reasoning_jax.tasks.markov:Markov",
}

# Read from a folder, or a file, in their official formats.
FILE_BACKED = {
    "gsm8k": "reasoning_jax.tasks.gsm8k:GSM8K",
    "questions": "reasoning_jax.tasks.questions:questions",
    "text": "reasoning_jax.tasks.plain_text:PlainText",
    "math500": "reasoning_jax.tasks.math_sets:math500",
    "math_train": "reasoning_jax.tasks.math_sets:math_train",
    "math_perturb_simple": "reasoning_jax.tasks.math_sets:math_perturb_simple",
    "math_perturb_hard": "reasoning_jax.tasks.math_sets:math_perturb_hard",
    "aime24": "reasoning_jax.tasks.math_sets:aime24",
    "aime25": "reasoning_jax.tasks.math_sets:aime25",
    "aime_2021_2024": "reasoning_jax.tasks.math_sets:aime_2021_2024",
    "aime_validation": "reasoning_jax.tasks.math_sets:aime_validation",
    "aime_train": "reasoning_jax.tasks.math_sets:aime_train",
    "amc23": "reasoning_jax.tasks.math_sets:amc23",
    "minerva_math": "reasoning_jax.tasks.math_sets:minerva_math",
    "olympiadbench": "reasoning_jax.tasks.math_sets:olympiadbench",
    "college_math": "reasoning_jax.tasks.math_sets:college_math",
    "carp_en": "reasoning_jax.tasks.math_sets:carp_en",
    "gaokao2023en": "reasoning_jax.tasks.math_sets:gaokao2023en",
    "svamp": "reasoning_jax.tasks.word_problems:svamp",
    "mawps": "reasoning_jax.tasks.word_problems:mawps",
    "mawps_addsub": "reasoning_jax.tasks.word_problems:mawps_addsub",
    "mawps_multiarith": "reasoning_jax.tasks.word_problems:mawps_multiarith",
    "mawps_singleeq": "reasoning_jax.tasks.word_problems:mawps_singleeq",
    "mawps_singleop": "reasoning_jax.tasks.word_problems:mawps_singleop",
    "gsm_hard": "reasoning_jax.tasks.word_problems:gsm_hard",
    "cmath": "reasoning_jax.tasks.word_problems:cmath",
    "aqua": "reasoning_jax.tasks.choice_sets:aqua",
    "mmlu_stem": "reasoning_jax.tasks.choice_sets:mmlu_stem",
    "sat_math": "reasoning_jax.tasks.choice_sets:sat_math",
    "gaokao_math_qa": "reasoning_jax.tasks.choice_sets:gaokao_math_qa",
    "gaokao_math_cloze": "reasoning_jax.tasks.choice_sets:gaokao_math_cloze",
    "gaokao2024_i": "reasoning_jax.tasks.choice_sets:gaokao2024_i",
    "gaokao2024_ii": "reasoning_jax.tasks.choice_sets:gaokao2024_ii",
    "gaokao2024_mix": "reasoning_jax.tasks.choice_sets:gaokao2024_mix",
    "cn_middle_school": "reasoning_jax.tasks.choice_sets:cn_middle_school",
    "humaneval": "reasoning_jax.tasks.humaneval:humaneval",
    "mbpp": "reasoning_jax.tasks.mbpp:mbpp",
    "mbpp_prime": "reasoning_jax.tasks.mbpp:mbpp_prime",
    "leetcode": "reasoning_jax.tasks.leetcode:leetcode",
    "codeforces": "reasoning_jax.tasks.contests:codeforces",
    "code_contests": "reasoning_jax.tasks.contests:code_contests",
}


@runtime_checkable
class Task(Protocol):
    """A problem set with splits "train", "validation" and "test" that grades its own answers."""

    @property
    def name(self) -> str:
        """The first part of every problem id."""

    @property
    def alphabet(self) -> str:
        """The characters of prompts and solutions; "" for file-backed text."""

    def size(self, split: str) -> int:
        """Number of problems of a split; ValueError for an unknown split."""

    def problem(self, split: str, index: int) -> Problem:
        """Problem `index` of a split, always the same one; IndexError outside [0, size)."""

    def grade(self, problem: Problem, response: str) -> Verdict | Check:
        """Judges the outcome of a response, or says what a worker process has to judge."""

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Judges the steps of a response; ValueError where nothing is known of them."""


def load_task(name: str, data: str = "", **options: Any) -> Task:
    """Builds a task by its name, or by a dotted "package.module:Class".

    Args:
      name: one of `EMBEDDED` or `FILE_BACKED`, or what is called with the options.
      data: the folder (or the one file) of a file-backed task.
      **options: the task's knobs, as its class documents them.

    Raises:
      ValueError: for an unknown name or option, or a folder missing or not wanted.
    """
    known = EMBEDDED | FILE_BACKED
    path = known.get(name, name)
    module_name, colon, class_name = path.partition(":")
    if not colon:
        raise ValueError(
            f"unknown task {name!r}: choose one of {', '.join(known)}, "
            'or a class as "package.module:Class"'
        )
    try:
        task = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"task {name!r} cannot be loaded: {error}") from error
    knobs = inspect.signature(task).parameters
    if data and "data" not in knobs:
        raise ValueError(f"task {name!r} makes its own problems; drop data={data!r}")
    if not data and "data" in knobs and knobs["data"].default is inspect.Parameter.empty:
        raise ValueError(f"task {name!r} reads files: give data=<folder in its official format>")
    if unknown := sorted(set(options) - set(knobs)):
        raise ValueError(
            f"task {name!r} has no option {', '.join(map(repr, unknown))}: "
            f"choose among {', '.join(knobs)}"
        )
    return task(**({"data": data} if data else {}), **options)
