"""Letters of multiple choice."""

import re

_LETTER = re.compile(r"[(\[]?\s*([A-J])\s*[)\]]?\s*[.:]?")
_LOWER = re.compile(r"[(\[]?\s*([A-Ja-j])\s*[)\]]?\s*[.:]?")
# "(C) Cecile", "C. 4", "C Cecile": the letter, then the text of the choice.
_NAMED = re.compile(r"(?:\(([A-J])\)|([A-J])[.):](?=\s)|([A-J])(?=\s+[A-Z]))\s*\S.*", re.DOTALL)
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")


def is_letter(text: str) -> bool:
    """Whether an answer is nothing but a letter of a choice."""
    return bool(_LETTER.fullmatch(_TEXT.sub(r"\1", text).strip(" $.*")))


def compare_choices(gold: str, answer: str) -> bool | None:
    """Whether two answers choose the same letter; None when the gold or the answer is no choice."""
    gold, answer = (_TEXT.sub(r"\1", text).strip(" $.*") for text in (gold, answer))
    wanted, given = _LETTER.fullmatch(gold), _LOWER.fullmatch(answer)
    if wanted and given:
        return wanted[1] == given[1].upper()
    if wanted and (named := _NAMED.fullmatch(answer)):
        return wanted[1] == _letter(named)
    if (named := _NAMED.fullmatch(gold)) and (given := _LETTER.fullmatch(answer)):
        return _letter(named) == given[1]
    return None


def _letter(match: re.Match[str]) -> str:
    return next(letter for letter in match.groups() if letter)
