"""Equivalence of answers: spelling, forms, and the comparison of forms and of values."""

from reasoning_jax.verify.answers.judge import judge, judge_symbolically

__all__ = ["judge", "judge_symbolically"]
