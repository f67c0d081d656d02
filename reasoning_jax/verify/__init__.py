"""Judging answers: where the answer stands (`extract`) and whether it is right (`answers`)."""

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.answers import judge
from reasoning_jax.verify.equality import compare, normalise, parse_number
from reasoning_jax.verify.extract import (
    EVALUATION,
    GOLD,
    MARKED,
    Found,
    after_hashes,
    after_think,
    bare,
    boxed,
    extract,
    find,
    hoped,
    last_math,
    last_number,
    stated,
    stated_briefly,
    whole,
)
from reasoning_jax.verify.grade import grade

__all__ = [
    "EVALUATION",
    "GOLD",
    "MARKED",
    "Check",
    "Found",
    "Verdict",
    "after_hashes",
    "after_think",
    "bare",
    "boxed",
    "compare",
    "extract",
    "find",
    "grade",
    "hoped",
    "judge",
    "last_math",
    "last_number",
    "normalise",
    "parse_number",
    "stated",
    "stated_briefly",
    "whole",
]
