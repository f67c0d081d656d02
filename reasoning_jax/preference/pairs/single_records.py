"""Judged single responses in the files that others write."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from reasoning_jax.preference.pairs.conversation import prompt_of, response_of
from reasoning_jax.preference.pairs.malformed import STOP, whole_records
from reasoning_jax.preference.pairs.single import Single
from reasoning_jax.preference.pairs.written import write_records
from reasoning_jax.tasks.records import scan_records


def read_singles(path: str | os.PathLike, on_malformed: str = STOP) -> tuple[Single, ...]:
    """Every judged response of a file, in its order; kinds of files as of ``read_pairs``.

    TRL's unpaired layout: ``prompt`` and ``completion``, texts or lists of messages, and ``label``,
    true where the completion is good.

    Raises:
      ValueError: naming file, line or entry and fault of broken records.
    """
    return whole_records(path, scan_records(pathlib.Path(path), _single), on_malformed)


def write_singles(path: str | os.PathLike, singles: Iterable[Single]) -> None:
    """Writes JSON lines from which ``read_singles`` gives the same; the file appears whole."""
    records = [dataclasses.asdict(single) for single in singles]
    for record in records:
        record["completion"], record["label"] = record.pop("response"), record.pop("desirable")
    write_records(path, records)


def _single(record: Mapping[str, Any]) -> Single:
    label = record.get("label")
    if not isinstance(label, bool):
        raise ValueError(f"expected true or false as 'label', got {label!r}")
    turns, prompt = prompt_of(record)
    response = response_of(record, "completion")
    for name, text in (("prompt", prompt), ("completion", response)):
        if not text.strip():
            raise ValueError(f"the {name} is empty")
    return Single(prompt, response, label, str(record.get("source", "")), turns)
