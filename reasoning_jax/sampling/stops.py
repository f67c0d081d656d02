"""Stop strings in a text that grows, looked for in its tail alone."""

from collections.abc import Sequence

from reasoning_jax.text import Tokenizer

# Tokens before one that may change how it is spelled: bytes of one character, a leading space.
_CONTEXT = 8


class StopSearch:
    """Looks for stop strings in the text of a row, token by token only where they may lie.

    Args:
      tokenizer: decodes.
      stops: strings.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]):
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._longest = max((len(stop) for stop in stops), default=0)
        self._tail = 0  # first token of the tail
        self._seen = 0  # tokens looked at; no stop ends in them

    def find(self, tokens: Sequence[int]) -> int | None:
        """How many tokens it takes to complete the first stop; None where there is none.

        Args:
          tokens: of the row so far; those of the call before and more.
        """
        if not self._stops or len(tokens) == self._seen:
            return None
        if self._has_stop(tokens, len(tokens)):
            low, high = self._seen + 1, len(tokens)
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if self._has_stop(tokens, middle) else (middle + 1, high)
            return low
        self._seen = len(tokens)
        self._move_tail(tokens)
        return None

    def _has_stop(self, tokens: Sequence[int], count: int) -> bool:
        text = self._tokenizer.decode(tokens[self._tail : count])
        return any(stop in text for stop in self._stops)

    def _move_tail(self, tokens: Sequence[int]) -> None:
        """Drops what no stop that is not complete can begin in."""
        size = self._longest
        while True:
            tail = len(tokens) - size - _CONTEXT
            if tail <= self._tail:
                return
            # A token may spell nothing, so that as many tokens need not be as many characters.
            if len(self._tokenizer.decode(tokens[tail + _CONTEXT :])) >= self._longest - 1:
                self._tail = tail
                return
            size *= 2


def before_stop(text: str, stops: Sequence[str]) -> str | None:
    """The text before the first stop string in it, or None where there is none."""
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(found)] if found else None


def ids_of_stops(tokenizer: Tokenizer, stops: Sequence[str]) -> list[int]:
    """Ids that spell a stop string alone: a row can end at them without a look at the text."""
    found = []
    for stop in stops:
        try:
            ids = tokenizer.encode(stop)
        except ValueError:  # an alphabet that lacks it
            continue
        if len(ids) == 1 and stop in tokenizer.decode(ids):
            found += ids
    return found
