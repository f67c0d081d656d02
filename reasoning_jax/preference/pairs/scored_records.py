"""Scored responses in the files that others write."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from reasoning_jax.preference.pairs.conversation import prompt_of
from reasoning_jax.preference.pairs.malformed import STOP, whole_records
from reasoning_jax.preference.pairs.scored import Scored
from reasoning_jax.preference.pairs.written import write_records
from reasoning_jax.tasks.records import raw_text, scan_records, texts

_OVERALL = "overall_score"


def read_scored(path: str | os.PathLike, on_malformed: str = STOP) -> tuple[Scored, ...]:
    """Every prompt with its scored responses, in order; kinds of files as of ``read_pairs``.

    Layouts, by the fields of each record:

    - ``prompt`` (a text or a list of messages), ``responses`` and ``scores``;
    - UltraFeedback: ``instruction`` and ``completions``, each with ``response`` and
      ``overall_score``.

    Raises:
      ValueError: naming file, line or entry and fault of broken records.
    """
    return whole_records(path, scan_records(pathlib.Path(path), scored_record), on_malformed)


def write_scored(path: str | os.PathLike, scored: Iterable[Scored]) -> None:
    """Writes JSON lines from which ``read_scored`` gives the same; the file appears whole."""
    write_records(path, [dataclasses.asdict(entry) for entry in scored])


def is_scored(record: Mapping[str, Any]) -> bool:
    """Whether a record has the fields of one of the layouts of ``read_scored``."""
    return "responses" in record or ("instruction" in record and "completions" in record)


def scored_record(record: Mapping[str, Any]) -> Scored:
    """A record in one of the layouts of ``read_scored``; ValueError names what is wrong."""
    source = str(record.get("source", ""))
    if "responses" in record:
        turns, prompt = prompt_of(record)
        responses = texts(record, "responses")
        scores = record.get("scores")
        if not isinstance(scores, list) or not all(map(_is_number, scores)):
            raise ValueError(f"expected a list of numbers 'scores', got {scores!r}")
        return _checked(Scored(prompt, responses, tuple(map(float, scores)), source, turns))
    completions = record["completions"]
    if not isinstance(completions, list) or not all(isinstance(c, dict) for c in completions):
        raise ValueError(f"expected a list of objects 'completions', got {completions!r}")
    scores = [completion.get(_OVERALL) for completion in completions]
    if not all(map(_is_number, scores)):
        raise ValueError(f"expected a number {_OVERALL!r} of each completion, got {scores!r}")
    responses = tuple(raw_text(completion, "response") for completion in completions)
    prompt = raw_text(record, "instruction")
    return _checked(Scored(prompt, responses, tuple(map(float, scores)), source))


def _checked(scored: Scored) -> Scored:
    for text in (scored.prompt, *scored.responses):
        if not text.strip():
            raise ValueError("the prompt or a response is empty")
    return scored


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
