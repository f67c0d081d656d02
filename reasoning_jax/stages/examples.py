"""Prompts with responses to imitate, in files: of others, or made by an earlier stage of a run."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.preference.pairs.conversation import prompt_of, response_of
from reasoning_jax.preference.pairs.written import write_records
from reasoning_jax.stages.context import Context
from reasoning_jax.tasks.records import parse_records
from reasoning_jax.types import Problem

CURATE = "reasoning_jax.stages.curate"


@dataclasses.dataclass(frozen=True)
class Example:
    """A response to imitate.

    Attributes:
      prompt: of a problem.
      response: to its end.
      source: where it comes from, such as the id of its problem.
    """

    prompt: str
    response: str
    source: str = ""


def read_examples(path: str | os.PathLike) -> tuple[Example, ...]:
    """Records ``prompt`` and ``response`` (or ``completion``) of a file of any known layout.

    Raises:
      ValueError: naming file, line or entry and fault of a broken record.
    """
    return parse_records(pathlib.Path(path), _example)


def write_examples(path: str | os.PathLike, examples: Sequence[Example]) -> None:
    """Writes JSON lines from which ``read_examples`` gives the same; the file appears whole."""
    write_records(path, [dataclasses.asdict(example) for example in examples])


def data_path(context: Context, name: str) -> pathlib.Path:
    """The file of that name, or what the run's stage of that name writes."""
    if _is_stage(context, name):
        return pathlib.Path(context.workdir) / "data" / f"{name}.jsonl"
    return pathlib.Path(name)


def is_made_later(context: Context, name: str) -> bool:
    """Whether an earlier stage of the run writes it; FileNotFoundError where it is nowhere."""
    if not name:
        return False
    if _is_stage(context, name):
        return True
    if not pathlib.Path(name).is_file():
        raise FileNotFoundError(f"data is {name!r}: no file, and no stage of this run makes it")
    return False


def encode_worked_example(context: Context, example: Example) -> tuple[list[int], list[bool]]:
    """Ids of prompt, response and end, and whether each is trained; results of tools are not."""
    problem = Problem(example.source, "", example.prompt, "", example.response)
    return context.tooling.example(context.tokenizer, problem)


def _is_stage(context: Context, name: str) -> bool:
    config = context.config
    return name in config.stages and config[name].stage == CURATE


def _example(record: Mapping[str, Any]) -> Example:
    turns, prompt = prompt_of(record)
    if turns:
        raise ValueError("a conversation of several turns; examples have one prompt")
    response = response_of(record, "response" if "response" in record else "completion")
    for name, text in (("prompt", prompt), ("response", response)):
        if not text.strip():
            raise ValueError(f"the {name} is empty")
    return Example(prompt, response, str(record.get("source", "")))
