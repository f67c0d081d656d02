"""Preference pairs in the files that others write."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.preference.pairs.conversation import answered, messages, prompt_of, response_of
from reasoning_jax.preference.pairs.malformed import STOP, whole_records
from reasoning_jax.preference.pairs.pair import Pair, Turn
from reasoning_jax.preference.pairs.scored_records import is_scored, scored_record
from reasoning_jax.preference.pairs.written import write_records
from reasoning_jax.tasks.records import raw_text, scan_records


def read_pairs(path: str | os.PathLike, on_malformed: str = STOP) -> tuple[Pair, ...]:
    """Every pair of a file (JSON lines, also gzipped, a JSON list, or Parquet), in its order.

    Layouts, by the fields of each record:

    - TRL's explicit prompt: texts ``prompt``, ``chosen``, ``rejected``;
    - TRL's implicit prompt: ``chosen`` and ``rejected`` begin alike, and what they share up to
      the last blank is the prompt;
    - either with lists of messages ``{"role", "content"}`` in place of texts, of any number of
      turns that both sides share up to the assistant's last, which the run's chat template then
      wraps; also binarised UltraFeedback, which repeats the user's message as a text;
    - scored responses (``read_scored``, UltraFeedback's own layout): the best against the worst;
    - Step-DPO: ``prompt``, ``initial_reason_steps`` and the steps ``chosen`` and ``rejected``.

    Args:
      on_malformed: "stop" raises on broken records; "skip" warns of them, by line, and goes on.

    Raises:
      ValueError: naming file, line or entry and fault of broken records.
    """
    return whole_records(path, scan_records(pathlib.Path(path), pair_record), on_malformed)


def write_pairs(
    path: str | os.PathLike,
    pairs: Sequence[Pair],
    made_by: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Writes JSON lines from which ``read_pairs`` gives the same pairs; the file appears whole.

    Args:
      made_by: for each pair, which generators and judges made it; for who reads the file.
    """
    records = []
    for row, pair in enumerate(pairs):
        record = dataclasses.asdict(pair)
        record["initial_reason_steps"] = record.pop("prefix")
        if made_by is not None:
            record["made_by"] = dict(made_by[row])
        records.append(record)
    write_records(path, records)


def pair_record(record: Mapping[str, Any]) -> Pair:
    """A record in one of the layouts of ``read_pairs``; ValueError names what is wrong."""
    source = str(record.get("source", ""))
    if "initial_reason_steps" in record:
        turns, prompt = prompt_of(record)
        names = ("chosen", "rejected", "initial_reason_steps")
        complete = record.get("complete") is True
        pair = Pair(prompt, *(raw_text(record, name) for name in names), complete, source, turns)
    elif is_scored(record):
        pair = dataclasses.replace(scored_record(record).best_against_worst(), source=source)
    elif isinstance(record.get("chosen"), list):
        turns, prompt, chosen, rejected = _conversations(record)
        pair = Pair(prompt, chosen, rejected, source=source, turns=turns)
    elif "prompt" in record:
        turns, prompt = prompt_of(record)
        sides = (response_of(record, name) for name in ("chosen", "rejected"))
        pair = Pair(prompt, *sides, source=source, turns=turns)
    else:
        pair = _implicit(raw_text(record, "chosen"), raw_text(record, "rejected"), source)
    for name in ("prompt", "chosen", "rejected"):
        if not getattr(pair, name).strip():
            raise ValueError(f"the {name} is empty")
    if pair.chosen == pair.rejected:
        raise ValueError(f"chosen and rejected are both {pair.chosen!r}; there is no preference")
    return pair


def _implicit(chosen: str, rejected: str, source: str) -> Pair:
    alike = itertools.takewhile(lambda sides: sides[0] == sides[1], zip(chosen, rejected))
    shared = "".join(character for character, _ in alike)
    # Not within a word: a tokenizer would see other ids than in the whole text.
    start = max(shared.rfind(blank) for blank in (" ", "\n")) + 1
    return Pair(shared[:start], chosen[start:], rejected[start:], source=source)


def _conversations(record: Mapping[str, Any]) -> tuple[tuple[Turn, ...], str, str, str]:
    """(earlier messages, prompt, chosen, rejected) of sides that are lists of messages."""
    # UltraFeedback repeats the user's message as a text beside the conversations that hold it.
    begun = messages(record, "prompt") if isinstance(record.get("prompt"), list) else []
    sides = [answered(begun + messages(record, name)) for name in ("chosen", "rejected")]
    (turns, user, chosen), (others, other, rejected) = sides
    if (turns, user) != (others, other):
        raise ValueError(
            f"the sides answer different prompts, {[*turns, user]!r} and {[*others, other]!r}; "
            "they may differ in the assistant's last message alone"
        )
    return turns, user, chosen, rejected
