"""Pairs as ids, and many of them as the arrays of an update."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from reasoning_jax.preference.batch import PairBatch
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
        if not 0 < max_context < max_length:
            raise ValueError(
                f"max_context {max_context} and max_length {max_length}: the first must be above "
                "0 and below the second"
            )
        if self.length <= max_length:
            return self
        context = self.context[-max_context:]
        room = max_length - len(context)
        return PairIds(context, self.chosen[:room], self.rejected[:room])


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


def collate_pairs(pairs: Sequence[PairIds], width: int) -> PairBatch:
    """NumPy PairBatch of the pairs, rows right-padded to ``width`` tokens.

    Raises:
      ValueError: a pair is longer than ``width``.
    """
    tokens = np.zeros((len(pairs), 2, width), np.int32)
    mask = np.zeros((len(pairs), 2, width), bool)
    lengths = np.zeros((len(pairs), 2), np.int32)
    for row, pair in enumerate(pairs):
        if pair.length > width:
            raise ValueError(
                f"pair {row} has {pair.length} tokens, more than the {width} of a row; "
                "truncate it, drop it or widen the rows"
            )
        for side, response in enumerate((pair.chosen, pair.rejected)):
            ids = (*pair.context, *response)
            tokens[row, side, : len(ids)] = ids
            mask[row, side, len(pair.context) : len(ids)] = True
            lengths[row, side] = len(ids)
    return PairBatch(tokens, lengths, mask, row_mask=np.ones(len(pairs), bool))
