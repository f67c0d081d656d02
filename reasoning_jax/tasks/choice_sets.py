r"""Questions answered by the letter of an option, or by several letters.

AQuA (arXiv 1705.04146), the STEM part of MMLU (arXiv 2009.03300), SAT and the Chinese college
entrance examinations, as Qwen2.5-Math has them. Some of the latter mix in questions without
options, which are graded as answers.
"""

import re
from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks.answers import BOXED_CHINESE, answer_item, answer_set, fields, qwen_files
from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.records import text, texts

LETTERS = "ABCDEFGHIJ"
LETTER = (
    "{question}\nPlease reason step by step, and put the letter of the right option within "
    "\\boxed{}.\n"
)

_OPTION = re.compile(r"(?<!\S)([A-I])(?:\s?\)|\.(?=\s))")


def choice_item(
    question: str, options: Mapping[str, str], answer: str, solution: str | None = None, **info: Any
) -> Item:
    """An item with the options below the question, one a line: ``A. text``.

    Raises:
      ValueError: the answer is not made of letters of options.
    """
    listed = "".join(f"\n{letter}. {option.strip()}" for letter, option in options.items())
    return _lettered(question + listed, options, answer, solution, **info)


def _lettered(
    question: str, options: Mapping[str, str], answer: str, solution: str | None = None, **info: Any
) -> Item:
    letters = "".join(sorted(set(answer) - set(" ,")))
    if not letters or not set(letters) <= set(options):
        raise ValueError(f"expected letters of {', '.join(options)} as the answer, got {answer!r}")
    return answer_item(question, letters, solution, rule="choice", options=dict(options), **info)


def _parse_aqua(record: Mapping[str, Any]) -> Item:
    options = {}
    for option in texts(record, "options"):
        letter, mark, body = option.partition(")")
        # A few say their letter twice: "A)A)59".
        options[letter.strip()] = body.removeprefix(letter + mark).strip()
    return choice_item(
        text(record, "question"), options, text(record, "correct"), text(record, "rationale")
    )


def _parse_mmlu(record: Mapping[str, Any]) -> Item:
    options = dict(zip(LETTERS, texts(record, "choices")))
    index = record.get("answer")
    if not isinstance(index, int) or not 0 <= index < len(options):
        raise ValueError(
            f"expected 'answer' to number one of {len(options)} choices, got {index!r}"
        )
    return choice_item(text(record, "question"), options, LETTERS[index], type=record.get("type"))


def _parse_sat(record: Mapping[str, Any]) -> Item:
    options = _options_of_line(text(record, "options"))
    return choice_item(text(record, "question"), options, text(record, "Answer"))


def _options_of_line(line: str) -> dict[str, str]:
    """``A) one B) two`` or ``A. one B. two``; a letter out of turn belongs to an option."""
    marks: list[re.Match[str]] = []
    for mark in _OPTION.finditer(line):
        if mark[1] == LETTERS[len(marks)]:
            marks.append(mark)
    ends = [*(mark.start() for mark in marks[1:]), len(line)]
    return {mark[1]: line[mark.end() : end].strip() for mark, end in zip(marks, ends)}


def _parse_gaokao_qa(record: Mapping[str, Any]) -> Item:
    options = record.get("options")
    if not isinstance(options, dict) or not all(isinstance(o, str) for o in options.values()):
        raise ValueError(f"expected 'options' to map letters to texts, got {options!r}")
    return choice_item(text(record, "question"), options, text(record, "label"))


def _parse_gaokao2024(record: Mapping[str, Any]) -> Item:
    """Options stand in the question; ``type`` is single, multi or blank."""
    question, answer, kind = (text(record, name) for name in ("question", "answer", "type"))
    if kind == "blank":
        return answer_item(question, answer, type=kind)
    return _lettered(question, dict.fromkeys("ABCD", ""), answer, type=kind)


def _parse_mixed(record: Mapping[str, Any]) -> Item:
    """Options stand in the question; ``choice_answer`` is empty where there are none."""
    question = text(record, "question")
    if record.get("choice_answer"):
        return _lettered(question, dict.fromkeys("ABCD", ""), text(record, "choice_answer"))
    return answer_item(question, text(record, "answer"))


aqua = answer_set("aqua", qwen_files("aqua"), _parse_aqua, prompt=LETTER)
mmlu_stem = answer_set("mmlu_stem", qwen_files("mmlu_stem"), _parse_mmlu, prompt=LETTER)
sat_math = answer_set("sat_math", qwen_files("sat_math"), _parse_sat, prompt=LETTER)
gaokao_math_qa = answer_set(
    "gaokao_math_qa", qwen_files("gaokao_math_qa"), _parse_gaokao_qa, prompt=BOXED_CHINESE
)
gaokao_math_cloze = answer_set(
    "gaokao_math_cloze",
    qwen_files("gaokao_math_cloze"),
    fields(("question",), ("answer",)),
    prompt=BOXED_CHINESE,
)
gaokao2024_i = answer_set(
    "gaokao2024_i",
    qwen_files("gaokao2024_I"),
    _parse_gaokao2024,
    prompt=BOXED_CHINESE,
)
gaokao2024_ii = answer_set(
    "gaokao2024_ii",
    qwen_files("gaokao2024_II"),
    _parse_gaokao2024,
    prompt=BOXED_CHINESE,
)
gaokao2024_mix = answer_set(
    "gaokao2024_mix", qwen_files("gaokao2024_mix"), _parse_mixed, prompt=BOXED_CHINESE
)
cn_middle_school = answer_set(
    "cn_middle_school", qwen_files("cn_middle_school"), _parse_mixed, prompt=BOXED_CHINESE
)
