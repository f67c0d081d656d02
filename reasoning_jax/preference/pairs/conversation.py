"""Prompts of records: a text, or a conversation whose last message is the user's."""

from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.preference.pairs.pair import Turn
from reasoning_jax.tasks.records import raw_text


def messages(record: Mapping[str, Any], name: str) -> list[Turn]:
    """The field's messages ``{"role", "content"}``; ValueError unless it is a list of them."""
    found = record.get(name)
    if not isinstance(found, list) or not all(isinstance(m, dict) for m in found):
        raise ValueError(f"expected a list of messages {name!r}, got {found!r}")
    return [(raw_text(message, "role"), raw_text(message, "content")) for message in found]


def asked(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], str]:
    """(messages before the last one, the last one's text) of a conversation to be answered.

    Raises:
      ValueError: the last message is not the user's.
    """
    if not turns or turns[-1][0] != "user":
        raise ValueError(
            f"the messages before the answer have roles {[role for role, _ in turns]}; the last "
            "of them must be the user's"
        )
    return tuple(turns[:-1]), turns[-1][1]


def answered(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], str, str]:
    """(messages before the last two, the user's message, the assistant's answer to it).

    Raises:
      ValueError: the last two messages are not those of user and assistant.
    """
    if not turns or turns[-1][0] != "assistant":
        raise ValueError(
            f"the messages have roles {[role for role, _ in turns]}; the last one must be the "
            "assistant's"
        )
    return *asked(turns[:-1]), turns[-1][1]


def prompt_of(record: Mapping[str, Any]) -> tuple[tuple[Turn, ...], str]:
    """(earlier messages, text) of the field ``prompt``, a text or a list of messages.

    Beside a text, earlier messages may stand in ``turns``, as our own files have them.
    """
    if isinstance(record.get("prompt"), list):
        return asked(messages(record, "prompt"))
    return _own_turns(record), raw_text(record, "prompt")


def response_of(record: Mapping[str, Any], name: str) -> str:
    """A response, as a text or as a list of the assistant's one message."""
    if not isinstance(record.get(name), list):
        return raw_text(record, name)
    turns = messages(record, name)
    if [role for role, _ in turns] != ["assistant"]:
        raise ValueError(
            f"{name!r} has messages with roles {[role for role, _ in turns]}; one of the "
            "assistant is read"
        )
    return turns[0][1]


def _own_turns(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    turns = record.get("turns", [])
    pairs = isinstance(turns, list) and all(isinstance(t, list) and len(t) == 2 for t in turns)
    if not pairs or not all(isinstance(part, str) for turn in turns for part in turn):
        raise ValueError(f"expected a list of [role, content] 'turns', got {turns!r}")
    return tuple((role, content) for role, content in turns)
