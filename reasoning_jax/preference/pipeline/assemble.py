"""Last step: traces as pairs, whole pairs or rectified responses."""

import dataclasses
from collections.abc import Iterable, Sequence

from reasoning_jax.preference.pairs.pair import Pair
from reasoning_jax.preference.pipeline.judges import Judge
from reasoning_jax.preference.pipeline.trace import Trace
from reasoning_jax.types import Problem


def checked(judge: Judge, problems: Sequence[Problem], traces: Sequence[Trace]) -> list[Trace]:
    """Only corrections whose step the judge does not call wrong.

    The paper judges corrections by their outcome alone, which lets lucky steps pass.
    """
    flat = [
        (problem, mistake.index, correction)
        for problem, trace in zip(problems, traces)
        for mistake in trace.mistakes
        for correction in mistake.corrections
    ]
    found = judge.locate([p for p, *_ in flat], [c.response for *_, c in flat])
    verdicts = iter(wrong is None or wrong > index for (_, index, _), wrong in zip(flat, found))
    return [
        dataclasses.replace(
            trace,
            mistakes=tuple(
                dataclasses.replace(
                    m, corrections=tuple(c for c in m.corrections if next(verdicts))
                )
                for m in trace.mistakes
            ),
        )
        for trace in traces
    ]


def assemble(traces: Iterable[Trace], most: int = 0) -> tuple[Pair, ...]:
    """Step-DPO's pairs: a correction against the wrong step, after what both share.

    Equal pairs come once, also those of problems that were drawn twice.

    Args:
      most: pairs of one problem; 0 is all.
    """
    return _distinct(
        [
            Pair(trace.prompt, correction.step, mistake.rejected, mistake.prefix, False, trace.id)
            for mistake in trace.mistakes
            for correction in mistake.corrections
        ]
        for trace in _limited(traces, most)
    )


def whole_pairs(traces: Iterable[Trace], most: int = 0) -> tuple[Pair, ...]:
    """The pairs of ``assemble``, but whole responses: the corrected against the wrong one."""
    return _distinct(
        [
            Pair(trace.prompt, correction.response, mistake.response, source=trace.id)
            for mistake in trace.mistakes
            for correction in mistake.corrections
        ]
        for trace in _limited(traces, most)
    )


def rectified(traces: Iterable[Trace], most: int = 0) -> tuple[tuple[str, str], ...]:
    """(prompt, corrected response) of each correction, to imitate; equal ones once."""
    return tuple(dict.fromkeys((pair.prompt, pair.chosen) for pair in whole_pairs(traces, most)))


def _limited(traces: Iterable[Trace], most: int) -> Iterable[Trace]:
    """The traces with at most so many corrections each, the first ones."""
    if most < 0:
        raise ValueError(f"{most} pairs of a problem; 0 is all")
    for trace in traces:
        left, mistakes = most, []
        for mistake in trace.mistakes:
            kept = mistake.corrections[:left] if most else mistake.corrections
            left -= len(kept)
            mistakes.append(dataclasses.replace(mistake, corrections=kept))
        yield dataclasses.replace(trace, mistakes=tuple(mistakes))


def _distinct(pairs: Iterable[list[Pair]]) -> tuple[Pair, ...]:
    seen = {}
    for pair in (pair for row in pairs for pair in row):
        seen.setdefault(dataclasses.replace(pair, source=""), pair)
    return tuple(seen.values())
