"""Cutting a text at separators that stand outside all brackets."""

import re

_TOKEN = re.compile(r"\\\\|\\[{}|]|\\[A-Za-z]+|[A-Za-z]+|[(){}\[\]]|.", re.DOTALL)
OPENING = frozenset(("(", "[", "{", r"\{", r"\langle", r"\lceil", r"\lfloor"))
CLOSING = frozenset((")", "]", "}", r"\}", r"\rangle", r"\rceil", r"\rfloor"))


def tokens(text: str) -> list[str]:
    r"""Commands, words, escaped brackets and single characters; joined they are the text."""
    return _TOKEN.findall(text)


def split(text: str, separators: frozenset[str]) -> tuple[list[str], list[str]]:
    """The parts between separators outside brackets, and the separators met.

    A half-open interval closes with the other kind of bracket, so kinds are not told apart.

    Raises:
      ValueError: when brackets do not balance.
    """
    parts, found, current, depth = [], [], [], 0
    for token in tokens(text):
        if token in OPENING or (token == r"\begin"):
            depth += 1
        elif token in CLOSING or (token == r"\end"):
            depth -= 1
            if depth < 0:
                raise ValueError(f"unbalanced brackets in {text[:80]!r}")
        if depth == 0 and token in separators:
            parts.append("".join(current).strip())
            found.append(token)
            current = []
        else:
            current.append(token)
    if depth:
        raise ValueError(f"unbalanced brackets in {text[:80]!r}")
    parts.append("".join(current).strip())
    return parts, found


def enclosed(text: str) -> tuple[str, str, str] | None:
    """(opening, content, closing) when one pair of brackets holds the whole text, else None."""
    pieces = tokens(text)
    if len(pieces) < 2 or pieces[0] not in OPENING or pieces[-1] not in CLOSING:
        return None
    depth = 0
    for index, token in enumerate(pieces):
        depth += (token in OPENING) - (token in CLOSING)
        if depth == 0:
            if index < len(pieces) - 1:
                return None
            return pieces[0], "".join(pieces[1:-1]).strip(), pieces[-1]
    return None
