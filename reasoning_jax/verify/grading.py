"""The whole way from a response to a verdict."""

import dataclasses
from collections.abc import Iterable, Sequence

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.answers import judge
from reasoning_jax.verify.answers.choice import is_letter
from reasoning_jax.verify.extract import CHOICE, EVALUATION, GOLD, Policy, extract, find
from reasoning_jax.verify.pool import default_pool


def grade(
    prediction: str,
    gold: str | Sequence[str],
    policies: Iterable[Policy] | None = None,
    tolerance: float = 0.0,
) -> Verdict:
    r"""Judges a bare answer or a whole response against the gold answer. Never raises, never hangs.

    The first policy that finds an answer decides which text is judged, and is named by the
    verdict's ``path``; the gold may be marked in the same ways. The default policies, `CHOICE`
    where the gold is a letter and `EVALUATION` else, end with guesses: rewards take `MARKED`. The
    reasons are those of `judge`; what needs algebra runs in the shared pool of worker processes.

    Args:
      gold: the gold answer, or several of which any may be met.
      tolerance: largest absolute difference of numbers that still counts as equal.
    """
    golds = (gold,) if isinstance(gold, str) else gold
    if policies is None:
        policies = CHOICE if golds and all(map(is_letter, golds)) else EVALUATION
    found = find(prediction, policies)
    if found is None:
        return Verdict(False, "no_answer")
    marks = CHOICE if is_letter(found.text) else GOLD
    verdicts = []
    for alternative in golds:
        verdict = judge(found.text, extract(alternative, marks) or "", tolerance)
        if isinstance(verdict, Check):
            verdict = default_pool().run(verdict)
        if verdict.correct:
            return dataclasses.replace(verdict, path=found.path)
        verdicts.append(verdict)
    if not verdicts:
        return Verdict(None, "empty_gold", found.text, found.path)
    undecided = [verdict for verdict in verdicts if verdict.correct is None]
    return dataclasses.replace((undecided or verdicts)[0], path=found.path)
