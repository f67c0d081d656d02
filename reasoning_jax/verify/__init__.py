"""Judging answers and programs: `extract`, `answers`, the `pool` of workers, `programs`."""

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.answers import judge
from reasoning_jax.verify.equality import compare, normalise, parse_number
from reasoning_jax.verify.extract import (
    CHOICE,
    EVALUATION,
    GOLD,
    MARKED,
    Found,
    after_hashes,
    after_think,
    bare,
    boxed,
    choice_letter,
    extract,
    find,
    hoped,
    last_math,
    last_number,
    stated,
    stated_briefly,
    whole,
)
from reasoning_jax.verify.grading import grade
from reasoning_jax.verify.pool import Pool, default_pool
from reasoning_jax.verify.programs import run_program

__all__ = [
    "CHOICE",
    "EVALUATION",
    "GOLD",
    "MARKED",
    "Check",
    "Found",
    "Pool",
    "Verdict",
    "after_hashes",
    "after_think",
    "bare",
    "boxed",
    "choice_letter",
    "compare",
    "default_pool",
    "extract",
    "find",
    "grade",
    "hoped",
    "judge",
    "last_math",
    "last_number",
    "normalise",
    "parse_number",
    "run_program",
    "stated",
    "stated_briefly",
    "whole",
]
