"""Responses and pairs of them as ids."""

import dataclasses
from collections.abc import Sequence

from reasoning_jax.preference.pairs.pair import Pair, Turn
from reasoning_jax.text.chat_tokenizer import ChatTokenizer
from reasoning_jax.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class PairIds:
    """A pair as ids; ``context`` is what both sides share and no loss sees."""

    context: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    def __post_init__(self):
        if not self.context or not self.chosen or not self.rejected:
            raise ValueError(f"{self} has an empty part; each needs at least one token")

    @property
    def length(self) -> int:
        """Tokens of the longer side, context included."""
        return len(self.context) + max(len(self.chosen), len(self.rejected))

    def truncate(self, max_length: int, max_context: int) -> "PairIds":
        """A pair that is too long, as Step-DPO cuts it: the end of the context, then responses.

        Only a pair of more than ``max_length`` tokens is cut, its context to its last
        ``max_context`` tokens, and its responses to what is then left of ``max_length``.

        Raises:
          ValueError: not 0 < max_context < max_length.
        """
        _check_limits(max_length, max_context)
        if self.length <= max_length:
            return self
        context = self.context[-max_context:]
        room = max_length - len(context)
        return PairIds(context, self.chosen[:room], self.rejected[:room])


@dataclasses.dataclass(frozen=True)
class ResponseIds:
    """A response as ids; no loss sees its ``context``."""

    context: tuple[int, ...]
    response: tuple[int, ...]

    def __post_init__(self):
        if not self.context or not self.response:
            raise ValueError(f"{self} has an empty part; each needs at least one token")

    @property
    def length(self) -> int:
        """Tokens of context and response."""
        return len(self.context) + len(self.response)

    def truncate(self, max_length: int, max_context: int) -> "ResponseIds":
        """A response that is too long, cut as ``PairIds.truncate`` cuts a pair."""
        _check_limits(max_length, max_context)
        if self.length <= max_length:
            return self
        context = self.context[-max_context:]
        return ResponseIds(context, self.response[: max_length - len(context)])


def encode_pair(tokenizer: Tokenizer, pair: Pair) -> PairIds:
    """Ids of a pair; end of sequence on both sides where the responses are complete.

    Prompt, prefix and responses are encoded apart, as they are when sampling goes on from a
    prefix, so the two sides have the same context whatever the tokenizer merges.

    Raises:
      ValueError: a side is empty, or there are messages and the tokenizer has no template.
    """
    end = (tokenizer.eos_id,) if pair.complete else ()
    return PairIds(
        encode_context(tokenizer, pair.prompt, pair.turns, pair.prefix),
        (*tokenizer.encode(pair.chosen), *end),
        (*tokenizer.encode(pair.rejected), *end),
    )


def encode_context(
    tokenizer: Tokenizer, prompt: str, turns: Sequence[Turn] = (), prefix: str = ""
) -> tuple[int, ...]:
    """Ids of what responses follow: messages, the prompt, and the response's prefix.

    Raises:
      ValueError: there are messages and the tokenizer has no chat template.
    """
    if not turns:
        ids = tokenizer.encode_prompt(prompt)
    elif isinstance(tokenizer, ChatTokenizer):
        ids = tokenizer.encode_conversation(turns, prompt)
    else:
        raise ValueError(
            f"the prompt is a conversation of {len(turns) + 1} messages; set chat.template, which "
            "says how they are written"
        )
    return (*ids, *(tokenizer.encode(prefix) if prefix else ()))


def encode_response(
    tokenizer: Tokenizer, prompt: str, response: str, turns: Sequence[Turn] = ()
) -> ResponseIds:
    """Ids of a whole response, end of sequence included; errors as of ``encode_pair``."""
    context = encode_context(tokenizer, prompt, turns)
    return ResponseIds(context, (*tokenizer.encode(response), tokenizer.eos_id))


def _check_limits(max_length: int, max_context: int) -> None:
    if not 0 < max_context < max_length:
        raise ValueError(
            f"max_context {max_context} and max_length {max_length}: the first must be above "
            "0 and below the second"
        )
