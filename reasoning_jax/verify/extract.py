r"""Where the answer stands in a response: one small policy `text -> str | None` for each habit.

Extraction says nothing about equality. Every policy is linear in the text and never raises. Those
of `MARKED` need a mark that the writer set on purpose and are fit for rewards; those of
`EVALUATION` go on to guess, for measuring models that were never asked for a mark.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable

Policy = Callable[[str], str | None]

_BRACES = re.compile(r"\\{1,2}f?boxed\s*\{|\\.|[{}]", re.DOTALL)
# What may stand between boxes that are one answer: "and", commas, math delimiters, a label.
_JOINT = re.compile(
    r"(?:[^\S\n]|\n(?!\s*\n)|[$,;&]|\\\\|\\[()\[\],;!: ]|\\q?quad|\\text\{[\s,]*(?:and|or)?[\s,]*\}"
    r"|\b(?:and|or)\b)*(?:[A-Za-z](?:_\{?[A-Za-z0-9]\}?)?\s*=\s*)?"
)
_OR = re.compile(r"\bor\b")
_MAX_JOINT = 60  # characters
_HASHES = re.compile("####")
_STATED = (
    re.compile(r"final answer(?: is\b:?|:)", re.IGNORECASE),
    re.compile(r"answer is\b:?", re.IGNORECASE),
    re.compile(
        r"^\W{0,4}(?:answer|A)\W{0,4}:|答案(?:是|为|:|：)|(?:réponse(?: finale)? est|respuesta"
        r"(?: final)? es|antwort(?: ist|:)|risposta è|resposta é|ответ(?:\s*:|\s+—))\s*:?",
        re.IGNORECASE | re.MULTILINE,
    ),
)
_HOPE = re.compile("[Ii] hope")
_MAX_HOPED = 400  # characters from "final answer" to "I hope"
_CHOICES = (
    re.compile(
        r"(?:\b(?:[Aa]nswer|[Oo]ption|[Cc]hoice)s?\b(?:\s+is)?|答案(?:是|为|选)?|选(?:项|择)?|[Rr]éponse"
        r"(?: est)?|[Rr]espuesta(?: es)?|الإجابة(?: هي)?)\W{0,6}([A-J])(?![A-Za-z'])"
    ),
    re.compile(r"\(\s*([A-J])\s*\)"),
    re.compile(r"^\W{0,3}([A-J])(?:\W{0,3}$|[.):](?=\s)|(?=\s+[A-Z]))", re.MULTILINE),
    re.compile(r"(?<![A-Za-z])([A-J])\s+is (?:the )?(?:correct|right)"),
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|。")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,])(?:(?<![)\]}])[-+])?"
    r"(?:[0-9]+(?:[, ][0-9]{3}(?![0-9]))*(?:[.,][0-9]+)?(?:/[0-9]+)?|\.[0-9]+"
    r"|\\[dt]?frac\{[0-9]+\}\{[0-9]+\})%?"
)
_MATH_MARK = re.compile(r"(?<!\\)\$\$|(?<!\\)\$|\\[()\[\]]")
_MATH_CLOSE = {r"\(": r"\)", r"\[": r"\]"}
_NOT_PROSE = re.compile(r"\\text\s*\{[^{}]*\}|\\[A-Za-z]+|\b(?:and|or|sqrt|sin|cos|tan|log|ln)\b")
# Possessive, and from a word's first letter only: a long word is passed over once.
_TWO_WORDS = re.compile(r"(?<![A-Za-zÀ-ÿ'])[A-Za-zÀ-ÿ']{2,}+[ ,]++[A-Za-zÀ-ÿ']{2}")
_WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
_OTHER_SCRIPT = re.compile(r"[\u0400-\u06ff\u0900-\u0fff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


@dataclasses.dataclass(frozen=True)
class Found:
    """An answer and the name of the policy that found it."""

    text: str
    path: str


def after_think(text: str) -> str | None:
    """The text after the last ``</think>``; None when the response has no such tag."""
    _, tag, rest = text.rpartition("</think>")
    return rest if tag else None


def boxed(text: str) -> str | None:
    r"""The content of the last balanced ``\boxed{...}`` (the innermost of nested ones).

    Boxes before it with only "and", commas or labels between belong to the same answer: their
    contents are joined by commas.
    """
    if "boxed" not in text and "fbox" not in text:
        return None
    open_braces: list[tuple[int, int, bool]] = []
    boxes: list[tuple[int, int, str]] = []  # where each begins and ends, and its content
    for token in _BRACES.finditer(text):
        opens_box = len(token[0]) > 2
        if opens_box or token[0] == "{":
            open_braces.append((token.start(), token.end(), opens_box))
        elif token[0] == "}" and open_braces:
            begin, start, is_box = open_braces.pop()
            if is_box and (not boxes or begin > boxes[-1][0]):
                boxes.append((begin, token.end(), text[start : token.start()].strip()))
    if not boxes:
        return None
    begin, _, content = boxes.pop()
    contents, joints = [content], []
    while boxes:
        earlier, end, content = boxes.pop()
        if begin - end > _MAX_JOINT or not _JOINT.fullmatch(text, end, begin):
            break
        if content not in contents:
            contents.append(content)
            joints.append(" or " if _OR.search(text, end, begin) else ", ")
        begin = earlier
    pairs = zip(reversed(contents), (*reversed(joints), ""))
    return "".join(content + joint for content, joint in pairs)


def cut_box(text: str) -> str | None:
    r"""The rest of the line after a last ``\boxed{`` without an end. For evaluation only."""
    _, mark, rest = text.rpartition(r"\boxed{")
    return rest.split("\n", 1)[0].strip(" $") or None if mark else None


def after_hashes(text: str) -> str | None:
    """The rest of the line after the last ``####``, the mark of GSM8K."""
    mark = _last(_HASHES, text)
    return text[mark.end() :].split("\n", 1)[0].strip() if mark else None


def hoped(text: str) -> str | None:
    """X in the last "final answer is X. I hope it is correct", the mark of Minerva's prompt."""
    hope = _last(_HOPE, text)
    if hope is None:
        return None
    before = text[max(0, hope.start() - _MAX_HOPED) : hope.start()]
    mark = _last(_STATED[0], before)
    found = before[mark.end() :].strip().removesuffix(".").rstrip() if mark else ""
    return None if not found or "\n" in found or "boxed" in found else _brief(found)


def stated(text: str) -> str | None:
    """The rest of the sentence after the last "final answer is" (or ":"), else "answer is".

    Else after "Answer:" or "A:" at the head of a line, or what other languages say for it. Where
    the line ends at the mark, the next line with text is taken.
    """
    for phrase in _STATED:
        mark = _last(phrase, text)
        if mark is not None:
            line, _, rest = text[mark.end() :].partition("\n")
            sentence = line.strip() or rest.strip().split("\n", 1)[0]
            return _SENTENCE_END.split(sentence, maxsplit=1)[0].strip(" *:")
    return None


def stated_briefly(text: str) -> str | None:
    """As `stated`; of a sentence in words, its last formula or number. For evaluation only."""
    sentence = stated(text)
    return None if sentence is None else _brief(sentence)


def choice_letter(text: str) -> str | None:
    """The last letter from A to J that is marked as a choice: "answer is C", "(C)", "C. four"."""
    for mark in _CHOICES:
        if (found := _last(mark, text)) is not None:
            return found[1]
    return None


def bare(text: str) -> str | None:
    """The text itself when it is a formula, a number or a few words, and no sentence."""
    text = text.strip()
    return text if text and not _is_prose(text) else None


def last_math(text: str) -> str | None:
    r"""The last ``$...$``, ``\(...\)`` or ``\[...\]``, no number after it. For evaluation only."""
    found, opened = None, None
    for mark in _MATH_MARK.finditer(text):
        if opened is None:
            opened = mark if mark[0] not in _MATH_CLOSE.values() else None
        elif mark[0] == _MATH_CLOSE.get(opened[0], opened[0]):
            content = text[opened.end() : mark.start()].strip()
            found = (content, mark.end()) if content else found
            opened = None
        elif mark[0] in _MATH_CLOSE:
            opened = mark
    if found is None or _NUMBER.search(text, found[1]):
        return None
    return found[0]


def last_number(text: str) -> str | None:
    """The last numeral of the text. For evaluation only: a reward on it pays for guessing."""
    number = _last(_NUMBER, text)
    return number[0] if number else None


def whole(text: str) -> str:
    """The text itself, for a bare answer."""
    return text.strip()


MARKED: tuple[Policy, ...] = (boxed, after_hashes, stated)
EVALUATION: tuple[Policy, ...] = (
    *(hoped, boxed, after_hashes, stated_briefly, cut_box, bare, last_math, last_number, whole),
)
CHOICE: tuple[Policy, ...] = (boxed, after_hashes, choice_letter, stated, whole)
GOLD: tuple[Policy, ...] = (hoped, boxed, after_hashes, stated, cut_box, whole)


def find(text: str, policies: Iterable[Policy] = MARKED) -> Found | None:
    """The first policy's find in the text (after ``</think>`` where there is one), or None."""
    rest = after_think(text)
    text = text if rest is None else rest
    for policy in policies:
        found = policy(text)
        if found is not None:
            return Found(found, policy.__name__)
    return None


def extract(text: str, policies: Iterable[Policy] = MARKED) -> str | None:
    """The text that `find` finds, or None."""
    found = find(text, policies)
    return None if found is None else found.text


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = None
    for match in pattern.finditer(text):
        last = match
    return last


def _brief(sentence: str) -> str:
    if not _is_prose(sentence):
        return sentence
    return last_math(sentence) or last_number(sentence) or sentence


def _is_prose(text: str) -> bool:
    """Whether a text is a sentence around its answer: words side by side, or beside formulas."""
    if _OTHER_SCRIPT.search(text):
        return True
    outside, end, opened = [], 0, None
    for mark in _MATH_MARK.finditer(text):
        if opened is None:
            outside.append(text[end : mark.start()])
            opened = mark[0]
        elif mark[0] == _MATH_CLOSE.get(opened, opened):
            opened, end = None, mark.end()
    outside.append(text[end:] if opened is None else "")
    plain = _NOT_PROSE.sub(" ; ", " ; ".join(outside))
    return bool(_TWO_WORDS.search(plain) or (len(outside) > 1 and _WORD.search(plain)))
