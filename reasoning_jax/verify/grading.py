"""The whole way from a response to a verdict."""

import dataclasses
from collections.abc import Iterable, Sequence

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.answers import judge
from reasoning_jax.verify.extract import EVALUATION, GOLD, Policy, extract, find
from reasoning_jax.verify.pool import default_pool


def grade(
    prediction: str,
    gold: str | Sequence[str],
    policies: Iterable[Policy] = EVALUATION,
    tolerance: float = 0.0,
) -> Verdict:
    r"""Judges a bare answer or a whole response against the gold answer. Never raises, never hangs.

    The first policy that finds an answer decides which text is judged, and is named by the
    verdict's ``path``; the gold may be marked in the same ways. The default policies end with
    guesses and are meant for evaluation: rewards take `MARKED`. The reasons are those of `judge`;
    what needs algebra runs in the shared pool of worker processes.

    Args:
      gold: the gold answer, or several of which any may be met.
      tolerance: largest absolute difference of numbers that still counts as equal.
    """
    found = find(prediction, policies)
    if found is None:
        return Verdict(False, "no_answer")
    verdicts = []
    for alternative in (gold,) if isinstance(gold, str) else gold:
        verdict = judge(found.text, extract(alternative, GOLD) or "", tolerance)
        if isinstance(verdict, Check):
            verdict = default_pool().run(verdict)
        if verdict.correct:
            return dataclasses.replace(verdict, path=found.path)
        verdicts.append(verdict)
    if not verdicts:
        return Verdict(None, "empty_gold", found.text, found.path)
    undecided = [verdict for verdict in verdicts if verdict.correct is None]
    return dataclasses.replace((undecided or verdicts)[0], path=found.path)
