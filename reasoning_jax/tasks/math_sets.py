r"""Competition and course mathematics in LaTeX; answers marked by ``\boxed{}``.

Layouts: MATH-500 (Hendrycks et al. 2021, arXiv 2103.03874; Lightman et al. 2023,
arXiv 2305.20050), MATH train as rllm has it, MATH-Perturb (arXiv 2502.06453), AIME and AMC, and
the evaluation folders of Qwen2.5-Math (arXiv 2409.12122), each ``<set>/test.jsonl``.
"""

import re
from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks.answers import answer_item, answer_set, fields, qwen_files
from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.records import numeral, text, texts
from reasoning_jax.verify import boxed, normalise, parse_number

_QUESTION = ("problem", "question")
_NUMPY = re.compile(r"\bnp\.([a-z]+)")  # a gold is written np.arcsin(10/13)
_MATH_COLUMNS = ("subject", "type", "level", "difficulty", "unique_id")


def _parse_minerva(record: Mapping[str, Any]) -> Item:
    solution = text(record, "solution")
    answer = boxed(solution)
    if not answer:
        raise ValueError(r"the solution has no \boxed{} answer")
    answer = _NUMPY.sub(r"\\\1", answer)
    return answer_item(text(record, "problem"), answer, solution, type=text(record, "type"))


def _parse_olympiad(record: Mapping[str, Any]) -> Item:
    """OpenBMB's fields: a list of final answers, and an absolute error where rounding is meant."""
    finals = texts(record, "final_answer")
    if not finals:
        raise ValueError("expected at least one text in 'final_answer'")
    context = record.get("context")
    question = text(record, "question")
    info = {name: record.get(name) for name in ("subfield", "answer_type", "unit")}
    if record.get("error"):
        info |= {"rule": "near_number", "tolerance": _error(record)}
    several = record.get("is_multiple_answer") or len(finals) > 1
    return answer_item(
        f"{context}\n{question}" if context else question,
        _all_of(finals) if several else normalise(finals[0]),
        "\n".join(texts(record, "solution")[:1]) or None,
        **info,
    )


def _error(record: Mapping[str, Any]) -> float:
    error = parse_number(numeral(record, "error"))
    if error is None or error.value < 0:
        raise ValueError(f"expected a number 'error', got {record['error']!r}")
    return float(error.value)


def _all_of(answers: tuple[str, ...]) -> str:
    """Several answers as a set, for their order is free."""
    return rf"\{{{', '.join(answer.replace('$', '') for answer in answers)}\}}"


math500 = answer_set(
    "math500",
    qwen_files("math500", "MATH500.jsonl", "simplerl_math500_test.jsonl", "math500.json"),
    fields(_QUESTION, ("answer", "expected_answer"), ("solution",), _MATH_COLUMNS),
)
math_train = answer_set(
    "math_train",
    {"train": ("math_train.json", "rllm_math_train.json", "math.json", "train.jsonl")},
    fields(_QUESTION, ("answer",), (), _MATH_COLUMNS),
)
math_perturb_simple = answer_set(
    "math_perturb_simple",
    {"test": ("simple.jsonl", "math_perturb_simple.jsonl", "math_perturb/simple.jsonl")},
    fields(_QUESTION, ("answer",), ("solution",), _MATH_COLUMNS),
)
math_perturb_hard = answer_set(
    "math_perturb_hard",
    {"test": ("hard.jsonl", "math_perturb_hard.jsonl", "math_perturb/hard.jsonl")},
    fields(_QUESTION, ("answer",), ("solution",), _MATH_COLUMNS),
)
aime24 = answer_set(
    "aime24",
    qwen_files("aime24", "aime24.json"),
    fields(_QUESTION, ("answer",), ("solution",), ("url",)),
)
aime25 = answer_set(
    "aime25",
    qwen_files("aime25", "aime25.json"),
    fields(_QUESTION, ("answer",), ("solution",), ("id",)),
)
aime_2021_2024 = answer_set(
    "aime_2021_2024",
    qwen_files("aime_2021_2024"),
    fields(_QUESTION, ("answer",), (), ("year", "id", "problem_number")),
)
aime_validation = answer_set(
    "aime_validation",
    qwen_files("aimo-validation-aime"),
    fields(_QUESTION, ("answer",), ("solution",), ("url",)),
)
aime_train = answer_set(
    "aime_train",
    {"train": ("aime_train.json", "rllm_aime_train.json", "aime.json", "train.jsonl")},
    fields(
        _QUESTION,
        ("answer",),
        ("solution",),
        ("year", "aime_number", "problem_number", "difficulty"),
    ),
)
amc23 = answer_set("amc23", qwen_files("amc23"), fields(_QUESTION, ("answer",), (), ("url",)))
minerva_math = answer_set("minerva_math", qwen_files("minerva_math"), _parse_minerva)
olympiadbench = answer_set("olympiadbench", qwen_files("olympiadbench"), _parse_olympiad)
college_math = answer_set(
    "college_math",
    qwen_files("college_math"),
    fields(("question",), ("answer",), (), ("data_source", "data_topic", "question_number")),
)
carp_en = answer_set(
    "carp_en", qwen_files("carp_en"), fields(("content",), ("answer",), ("steps",))
)
gaokao2023en = answer_set(
    "gaokao2023en",
    qwen_files("gaokao2023en"),
    fields(("question",), ("answer",), (), ("source",)),
)
