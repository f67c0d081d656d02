r"""How a response to a file-backed problem is graded: one rule for each kind of gold answer.

A rule is named by ``Problem.info["rule"]``; what it needs besides the answer stands beside it.
"""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from reasoning_jax.types import Check, Problem, Verdict
from reasoning_jax.verify import MARKED, compare, extract, normalise, parse_number

_WRAPPERS = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_SEVERAL = r"{0}(?:\s*(?:,|;|、|，|and|or|和|或|&)?\s*{0})*"
_LEADING = r"({0})(?:$|[)\].:：,，]|\s)"
_OUTER = " \t\n()[]{}$*.。:"


def equal_answer(problem: Problem, response: str) -> Verdict | Check:
    r"""The marked answer (``\boxed{}``, ``####``, "answer is") equals the gold one."""
    return compare(extract(response, MARKED), problem.answer)


def near_number(problem: Problem, response: str) -> Verdict | Check:
    """The marked number lies within a tolerance of the gold one.

    ``info["tolerance"]`` is a text of a rational: times the gold number's size where
    ``info["relative"]``, absolute otherwise. What is no plain number is judged as an answer.
    """
    answer = extract(response, MARKED)
    number, gold = parse_number(answer or ""), parse_number(problem.answer)
    if number is None or gold is None:
        return equal_answer(problem, response)
    slack = Fraction(problem.info["tolerance"])
    if problem.info["relative"]:
        slack *= abs(gold.value)
    within = abs(number.value - gold.value) <= slack
    return Verdict(within, "tolerance" if within else "different", str(number.value))


def choice(problem: Problem, response: str) -> Verdict:
    r"""The marked letter or letters are the gold ones, all of them and no other.

    Where no letter is marked, the exact text of one option stands for its letter. A response that
    is nothing but letters needs no mark.
    """
    options: Mapping[str, str] = problem.info["options"]
    marked = extract(response, MARKED)
    text = _bare(response if marked is None else marked)
    found = _letters(text, options, leading=marked is not None) or _option(marked, options)
    if not found:
        return Verdict(False, "no_answer" if marked is None else "unparsed_answer", marked)
    letters = "".join(sorted(found))
    right = letters == problem.answer
    return Verdict(right, "choice" if right else "different", letters)


RULES: Mapping[str, Callable[[Problem, str], Verdict | Check]] = {
    "equal_answer": equal_answer,
    "near_number": near_number,
    "choice": choice,
}


def _bare(text: str) -> str:
    return _WRAPPERS.sub(r"\1", text).strip(_OUTER)


def _letters(text: str, options: Mapping[str, str], leading: bool) -> set[str]:
    letter = f"[{''.join(options)}]"
    if re.fullmatch(_SEVERAL.format(letter), text):
        return set(re.findall(letter, text))
    match = re.match(_LEADING.format(letter), text) if leading else None
    return {match[1]} if match else set()


def _option(marked: str | None, options: Mapping[str, str]) -> set[str]:
    if not marked:
        return set()
    text = normalise(marked)
    same = {letter for letter, option in options.items() if normalise(option) == text}
    return same if len(same) == 1 else set()
