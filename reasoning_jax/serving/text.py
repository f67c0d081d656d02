"""Text of tokens, one by one and while it grows."""

from collections.abc import Sequence

from reasoning_jax.text import Tokenizer

# Tokens before one that may change how it is spelled: bytes of one character, a leading space.
_CONTEXT = 8
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


def pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; empty for special tokens."""
    found = []
    for i in range(len(ids)):
        start = max(0, i - _CONTEXT)
        before = tokenizer.decode(ids[start:i])
        found.append(tokenizer.decode(ids[start : i + 1])[len(before) :])
    return found


def offsets(parts: Sequence[str], start: int) -> list[int]:
    """Where each part begins, when the first begins at ``start``."""
    found = []
    for part in parts:
        found.append(start)
        start += len(part)
    return found


def spelled(tokenizer: Tokenizer, token: int) -> str:
    """A token by itself; by its id where it has no text."""
    return tokenizer.decode([token]) or f"token_id:{token}"


def certain(text: str, stops: Sequence[str]) -> str:
    """The part of growing text that will stay, whatever is appended.

    Half a character and the beginning of a stop string at its end are left out.
    """
    held = len(text) - len(text.rstrip(_INCOMPLETE))
    for stop in stops:
        for size in range(len(stop) - 1, held, -1):
            if text.endswith(stop[:size]):
                held = size
                break
    return text[: len(text) - held]
