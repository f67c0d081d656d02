"""Where the answer stands in a response: one small policy `text -> str | None` for each habit.

Extraction says nothing about equality. Every policy is linear in the text and never raises.
"""

import re
from collections.abc import Callable, Iterable

Policy = Callable[[str], str | None]

_BRACES = re.compile(r"\\{1,2}f?boxed\s*\{|\\.|[{}]", re.DOTALL)
_HASHES = re.compile("####")
_STATED = (
    re.compile(r"final answer(?: is\b:?|:)", re.IGNORECASE),
    re.compile(r"answer is\b:?", re.IGNORECASE),
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+)(?:/[0-9]+)?%?")


def after_think(text: str) -> str | None:
    """The text after the last ``</think>``; None when the response has no such tag."""
    _, tag, rest = text.rpartition("</think>")
    return rest if tag else None


def boxed(text: str) -> str | None:
    r"""The content of the last balanced ``\boxed{...}`` (the innermost of nested ones)."""
    open_braces: list[tuple[int, bool]] = []
    last_start, content = -1, None
    for token in _BRACES.finditer(text):
        opens_box = len(token[0]) > 2
        if opens_box or token[0] == "{":
            open_braces.append((token.end(), opens_box))
        elif token[0] == "}" and open_braces:
            start, is_box = open_braces.pop()
            if is_box and start > last_start:
                last_start, content = start, text[start : token.start()].strip()
    return content


def after_hashes(text: str) -> str | None:
    """The rest of the line after the last ``####``, the mark of GSM8K."""
    return _rest_of_line(_HASHES, text)


def stated(text: str) -> str | None:
    """The rest of the sentence after the last "final answer is" (or ":"), else "answer is"."""
    for phrase in _STATED:
        sentence = _rest_of_line(phrase, text)
        if sentence is not None:
            return _SENTENCE_END.split(sentence, maxsplit=1)[0].strip()
    return None


def last_number(text: str) -> str | None:
    """The last numeral of the text. For evaluation only: a reward on it pays for guessing."""
    number = _last(_NUMBER, text)
    return number[0] if number else None


def whole(text: str) -> str:
    """The text itself, for a bare answer."""
    return text.strip()


MARKED: tuple[Policy, ...] = (boxed, after_hashes, stated)


def extract(text: str, policies: Iterable[Policy] = MARKED) -> str | None:
    """The first policy's find in the text (after ``</think>`` where there is one), or None."""
    rest = after_think(text)
    text = text if rest is None else rest
    return next((found for policy in policies if (found := policy(text)) is not None), None)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = None
    for match in pattern.finditer(text):
        last = match
    return last


def _rest_of_line(mark: re.Pattern[str], text: str) -> str | None:
    found = _last(mark, text)
    return text[found.end() :].split("\n", 1)[0].strip() if found else None
