r"""How a response to a file-backed problem is graded: one rule for each kind of gold answer.

A rule is named by ``Problem.info["rule"]``; what it needs besides the answer stands beside it.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping

from reasoning_jax.types import Check, Problem, Verdict
from reasoning_jax.verify.answers import judge, judge_symbolically
from reasoning_jax.verify.answers.judge import prepare  # what a pool calls before `judge_found`
from reasoning_jax.verify.equality import normalise
from reasoning_jax.verify.extract import MARKED, after_think, find, whole

__all__ = ["RULES", "choice", "equal_answer", "judge_found", "near_number", "prepare"]

_WRAPPERS = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_BETWEEN = re.compile(r"[\s,;、，和或&]+|\b(?:and|or)\b")
_LEADING = r"({0})(?:$|[)\].:：,，]|\s)"
_OUTER = " \t\n()[]{}$*.。:"


def equal_answer(problem: Problem, response: str) -> Verdict | Check:
    r"""The marked answer (``\boxed{}``, ``####``, "answer is") equals the gold one."""
    return _judged(problem, response)


def near_number(problem: Problem, response: str) -> Verdict | Check:
    """The marked answer equals the gold one, or differs by ``info["tolerance"]`` at most."""
    return _judged(problem, response, problem.info["tolerance"])


def choice(problem: Problem, response: str) -> Verdict:
    r"""The marked letter or letters are the gold ones, all of them and no other.

    Where no letter is marked, the exact text of one option stands for its letter. A response that
    is nothing but letters needs no mark.
    """
    options: Mapping[str, str] = problem.info["options"]
    found = find(response, MARKED)
    marked, path = (None, None) if found is None else (found.text, found.path)
    text = _bare(whole(after_think(response) or response) if marked is None else marked)
    chosen = _letters(text, options, leading=marked is not None) or _option(marked, options)
    if not chosen:
        return Verdict(False, "no_answer" if marked is None else "unparsed_answer", marked, path)
    letters = "".join(sorted(chosen))
    right = letters == problem.answer
    return Verdict(right, "choice" if right else "different", letters, path)


RULES: Mapping[str, Callable[[Problem, str], Verdict | Check]] = {
    "equal_answer": equal_answer,
    "near_number": near_number,
    "choice": choice,
}


def judge_found(answer: str, gold: str, tolerance: float, path: str) -> Verdict:
    """`judge_symbolically`, in a worker process, for an answer that a policy found."""
    return dataclasses.replace(judge_symbolically(answer, gold, tolerance), path=path)


def _judged(problem: Problem, response: str, tolerance: float = 0.0) -> Verdict | Check:
    found = find(response, MARKED)
    if found is None:
        return Verdict(False, "no_answer")
    judged = judge(found.text, problem.answer, tolerance)
    if isinstance(judged, Check):
        arguments = found.text, problem.answer, tolerance, found.path
        return dataclasses.replace(judged, function=judge_found, args=arguments)
    return dataclasses.replace(judged, path=found.path)


def _bare(text: str) -> str:
    return _WRAPPERS.sub(r"\1", text).strip(_OUTER)


def _letters(text: str, options: Mapping[str, str], leading: bool) -> set[str]:
    letters = set(_BETWEEN.sub("", text))
    if letters and letters <= set(options):
        return letters
    match = re.match(_LEADING.format(f"[{''.join(options)}]"), text) if leading else None
    return {match[1]} if match else set()


def _option(marked: str | None, options: Mapping[str, str]) -> set[str]:
    if not marked:
        return set()
    text = normalise(marked)
    same = {letter for letter, option in options.items() if normalise(option) == text}
    return same if len(same) == 1 else set()
