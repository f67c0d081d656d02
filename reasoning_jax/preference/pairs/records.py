"""Preference pairs in the files that others write."""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from reasoning_jax.preference.pairs.pair import Pair
from reasoning_jax.tasks.records import parse_records, raw_text


def read_pairs(path: str | os.PathLike) -> tuple[Pair, ...]:
    """Every pair of a file (JSON lines, also gzipped, or a JSON list), in its order.

    Layouts, by the fields of each record:

    - TRL's explicit prompt: texts ``prompt``, ``chosen``, ``rejected``;
    - TRL's implicit prompt: ``chosen`` and ``rejected`` begin alike, and what they share up to
      the last blank is the prompt;
    - either with lists of messages ``{"role", "content"}`` in place of texts, of one user message
      and one answer, which the run's chat template then wraps (UltraFeedback's layout too);
    - Step-DPO: ``prompt``, ``initial_reason_steps`` and the steps ``chosen`` and ``rejected``.

    Raises:
      ValueError: naming file, line or entry and fault of a broken record.
    """
    return parse_records(pathlib.Path(path), _pair)


def write_pairs(path: str | os.PathLike, pairs: Iterable[Pair]) -> None:
    """Writes JSON lines from which ``read_pairs`` gives the same pairs; the file appears whole."""
    path = pathlib.Path(path)
    unfinished = path.with_name(path.name + ".tmp")
    with open(unfinished, "w", encoding="utf-8") as lines:
        for pair in pairs:
            record = dataclasses.asdict(pair)
            record["initial_reason_steps"] = record.pop("prefix")
            lines.write(json.dumps(record) + "\n")
    unfinished.replace(path)


def _pair(record: Mapping[str, Any]) -> Pair:
    if "initial_reason_steps" in record:
        names = ("prompt", "chosen", "rejected", "initial_reason_steps")
        pair = Pair(*(raw_text(record, name) for name in names), complete=False)
        if record.get("complete") is True:
            pair = dataclasses.replace(pair, complete=True)
    elif isinstance(record.get("chosen"), list):
        prompt, chosen, rejected = _messages(record)
        pair = Pair(prompt, chosen, rejected)
    elif "prompt" in record:
        pair = Pair(*(raw_text(record, name) for name in ("prompt", "chosen", "rejected")))
    else:
        pair = _implicit(raw_text(record, "chosen"), raw_text(record, "rejected"))
    for name in ("prompt", "chosen", "rejected"):
        if not getattr(pair, name).strip():
            raise ValueError(f"the {name} is empty")
    if pair.chosen == pair.rejected:
        raise ValueError(f"chosen and rejected are both {pair.chosen!r}; there is no preference")
    return dataclasses.replace(pair, source=str(record.get("source", "")))


def _implicit(chosen: str, rejected: str) -> Pair:
    alike = itertools.takewhile(lambda sides: sides[0] == sides[1], zip(chosen, rejected))
    shared = "".join(character for character, _ in alike)
    # Not within a word: a tokenizer would see other ids than in the whole text.
    start = max(shared.rfind(blank) for blank in (" ", "\n")) + 1
    return Pair(shared[:start], chosen[start:], rejected[start:])


def _messages(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """(prompt, chosen, rejected), each side of one user message and one answer."""
    # UltraFeedback repeats the user's message as a text beside the conversations that hold it.
    asked = _conversation(record, "prompt") if isinstance(record.get("prompt"), list) else []
    sides = [asked + _conversation(record, name) for name in ("chosen", "rejected")]
    for side in sides:
        roles = [role for role, _ in side]
        if roles != ["user", "assistant"]:
            raise ValueError(
                f"the messages of a side have roles {roles}; one of the user and one of the "
                "assistant are read"
            )
    (user, chosen), (other, rejected) = ([content for _, content in side] for side in sides)
    if user != other:
        raise ValueError(f"the sides answer different prompts, {user!r} and {other!r}")
    return user, chosen, rejected


def _conversation(record: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    messages = record.get(name)
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ValueError(f"expected a list of messages {name!r}, got {messages!r}")
    return [(raw_text(message, "role"), raw_text(message, "content")) for message in messages]
