"""Messages of a request as ids of a prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.serving.request import Encode
from reasoning_jax.text import CHATML, ChatTemplate, Tokenizer, encode_chat

_CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")


def chat_encoder(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    system: str = "",
    variables: Mapping[str, Any] | None = None,
) -> Encode:
    """encode(messages, variables) -> ids up to the opening of the assistant's answer.

    Args:
      system: a message before those of a request that brings none of its own.
      variables: of the template; those of a request come before them.
    """
    before = [{"role": "system", "content": system}] if system else []

    def encode(messages: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]) -> list[int]:
        if isinstance(messages, list) and messages:
            own = any(isinstance(m, Mapping) and m.get("role") == "system" for m in messages)
            messages = [*([] if own else before), *map(_in_one_piece, messages)]
        return encode_chat(tokenizer, template, messages, True, **{**(variables or {}), **extra})

    return encode


def default_template(tokenizer: Tokenizer) -> ChatTemplate | None:
    """ChatML where its delimiters are tokens; None for any other tokenizer."""
    try:
        known = all(len(tokenizer.encode(token)) == 1 for token in _CHATML_TOKENS)
    except ValueError:  # an alphabet that lacks them
        return None
    return CHATML if known else None


def _in_one_piece(message: Any) -> Any:
    """A message whose content is parts of text, with that text as a string.

    Many templates join strings only.
    """
    parts = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(parts, list) or not parts:
        return message
    if not all(
        isinstance(part, Mapping)
        and part.get("type") == "text"
        and isinstance(part.get("text"), str)
        for part in parts
    ):
        return message
    return {**message, "content": "".join(part["text"] for part in parts)}
