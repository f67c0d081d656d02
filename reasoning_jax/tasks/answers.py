r"""Benchmarks of questions with one gold answer each, and how their records become problems."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from reasoning_jax.tasks.file_task import FileTask, Item, Sources
from reasoning_jax.tasks.records import gold, text
from reasoning_jax.tasks.rules import RULES
from reasoning_jax.types import Check, Problem, Verdict
from reasoning_jax.verify import boxed, judge

BOXED = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}.\n"
BOXED_CHINESE = "{question}\n请逐步推理，并将最终答案写在 \\boxed{} 中。\n"


@dataclasses.dataclass(frozen=True)
class Answers(FileTask):
    r"""Questions whose final answer is compared with the gold one.

    Attributes:
      name: of the data set.
      sources: its files and how a record is read.
      data: the folder that holds the files, or the one file.
      prompt: the template around ``{question}``; every other brace stands for itself.
      validation_size: the last so many training problems become the validation split.

    Raises:
      FileNotFoundError: naming the folder or files looked for.
      ValueError: for an unusable option, or naming file, place and fault of a broken record.
    """

    name: str
    sources: Sources = dataclasses.field(repr=False, compare=False)
    data: str
    prompt: str = BOXED
    validation_size: int = 0
    _items: Mapping[str, tuple[Item, ...]] = dataclasses.field(
        init=False, repr=False, compare=False
    )

    def grade(self, problem: Problem, response: str) -> Verdict | Check:
        """Judges the marked answer by the rule of the problem (`reasoning_jax.tasks.rules`)."""
        return RULES[problem.info["rule"]](problem, response)


def answer_item(
    question: str,
    answer: str,
    solution: str | None = None,
    rule: str = "equal_answer",
    **info: Any,
) -> Item:
    r"""An item whose solution ends in its boxed answer: as the file has it, or appended.

    Published solutions may box a step, or the answer in other words, or nothing.
    """
    if solution is not None and not _states(solution, answer):
        solution = f"{solution}\nThe final answer is $\\boxed{{{answer}}}$."
    return Item(question, answer, solution, {**info, "rule": rule})


def _states(solution: str, answer: str) -> bool:
    verdict = judge(boxed(solution), answer)
    return isinstance(verdict, Verdict) and verdict.correct is True


def answer_set(
    name: str,
    files: Mapping[str, tuple[str, ...]],
    parse: Callable[[Mapping[str, Any]], Item],
    prompt: str = BOXED,
) -> Callable[..., Answers]:
    """What `load_task` calls with ``data`` and options to build the task of one data set."""
    return functools.partial(Answers, name, Sources(files, parse), prompt=prompt)


def fields(
    question: tuple[str, ...],
    answer: tuple[str, ...],
    solution: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
) -> Callable[[Mapping[str, Any]], Item]:
    """A reader of flat records: for each part the names its field goes by; columns go to info."""

    def parse(record: Mapping[str, Any]) -> Item:
        worked = any(record.get(name) is not None for name in solution)
        item = answer_item(
            text(record, *question),
            gold(record, *answer),
            text(record, *solution) if worked else None,
        )
        own = {name: record[name] for name in columns if name in record}
        return dataclasses.replace(item, info=own | item.info)

    return parse


def qwen_files(name: str, *others: str) -> Mapping[str, tuple[str, ...]]:
    """The test file of a Qwen2.5-Math evaluation set, by itself or in the folder of all sets."""
    return {"test": (*others, f"{name}.jsonl", "test.jsonl", f"{name}/test.jsonl")}
