"""A tokenizer whose prompts are messages to a chat model."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from reasoning_jax.text.chat import ChatTemplate, encode_chat
from reasoning_jax.text.tokenizer import Tokenizer


class ChatTokenizer(Tokenizer):
    """Another tokenizer, but a prompt is a user's message and a response the assistant's.

    The first of ``eos_ids`` is the one that ends a turn in the template, where it is among those
    of the tokenizer, so that training appends what sampling stops at.

    Args:
      tokenizer: turns text into ids.
      template: of the conversation.
      system: a message before the user's; empty for none.
      variables: further variables of the template, such as ``enable_thinking``.

    Raises:
      ValueError: the template refuses such messages, or writes what the tokenizer cannot encode.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        system: str = "",
        variables: Mapping[str, Any] | None = None,
    ):
        self._tokenizer = tokenizer
        self._template = template
        self._before = [{"role": "system", "content": system}] if system else []
        self._variables = dict(variables or {})
        self.vocab_size = tokenizer.vocab_size
        self.bos_id = tokenizer.bos_id
        self.pad_id = tokenizer.pad_id
        self.eos_ids = self._ends(tokenizer.eos_ids)

    def _ends(self, eos_ids: tuple[int, ...]) -> tuple[int, ...]:
        """The ids with the end of an assistant's turn first."""
        prompt = self.encode_prompt("0")
        turn = self._encode([*self._messages("0"), {"role": "assistant", "content": "0"}], False)
        # From the last one on: a template may close the turns before it with the same id.
        closing = turn[len(prompt) :] if turn[: len(prompt)] == prompt else turn[-4:]
        first = next((i for i in closing if i in eos_ids), eos_ids[0])
        return (first, *(i for i in eos_ids if i != first))

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a conversation up to the opening of the assistant's answer to ``text``."""
        return self._encode(self._messages(text), True)

    def encode_conversation(self, turns: Iterable[tuple[str, str]], text: str) -> list[int]:
        """Like ``encode_prompt``, with messages (role, content) before the user's ``text``.

        A system message among them stands in place of the tokenizer's own.
        """
        turns = [{"role": role, "content": content} for role, content in turns]
        own = any(turn["role"] == "system" for turn in turns)
        user = {"role": "user", "content": text}
        return self._encode([*([] if own else self._before), *turns, user], True)

    def _messages(self, text: str) -> list[dict[str, str]]:
        return [*self._before, {"role": "user", "content": text}]

    def _encode(self, messages: list[dict[str, str]], add_generation_prompt: bool) -> list[int]:
        return encode_chat(
            self._tokenizer, self._template, messages, add_generation_prompt, **self._variables
        )

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        return self._tokenizer.decode(ids)

    def save(self, folder: str | os.PathLike) -> None:
        self._tokenizer.save(folder)
