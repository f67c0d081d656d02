"""Judging answers: where the answer stands (`extract`) and whether it is right (`equality`)."""

from reasoning_jax.types import Verdict
from reasoning_jax.verify.equality import compare, normalise, parse_number
from reasoning_jax.verify.extract import (
    MARKED,
    after_hashes,
    after_think,
    boxed,
    extract,
    last_number,
    stated,
    whole,
)

__all__ = [
    "MARKED",
    "after_hashes",
    "after_think",
    "boxed",
    "compare",
    "extract",
    "grade",
    "last_number",
    "normalise",
    "parse_number",
    "stated",
    "whole",
]


def grade(prediction: str, gold: str) -> Verdict:
    r"""Judges a bare answer or a whole response against the gold answer.

    An answer marked by ``\boxed{}``, ``####`` or "answer is" is taken, else the text itself
    (after ``</think>``). The gold may be marked in the same ways. Never raises, never hangs;
    the reasons are those of `compare`.
    """
    policies = (*MARKED, whole)
    return compare(extract(prediction, policies), extract(gold, policies) or "")
