"""Second step: the first wrong step of each mistake."""

import dataclasses
from collections.abc import Sequence

from reasoning_jax.preference.pairs.step_format import StepFormat
from reasoning_jax.preference.pipeline.judges import Judge
from reasoning_jax.preference.pipeline.trace import Mistake, Trace
from reasoning_jax.types import Problem


def locate(
    judge: Judge,
    steps: StepFormat,
    problems: Sequence[Problem],
    traces: Sequence[Trace],
    most: int = 1,
) -> list[Trace]:
    """Keeps, of each problem, the first ``most`` mistakes whose wrong step is found.

    Args:
      problems: of the traces.

    Raises:
      ValueError: ``most`` below 1.
    """
    if most < 1:
        raise ValueError(f"{most} mistakes of a problem; keep at least 1")
    flat = [(problem, m.response) for problem, t in zip(problems, traces) for m in t.mistakes]
    found = iter(judge.locate([p for p, _ in flat], [response for _, response in flat]))
    located = []
    for trace in traces:
        mistakes = [_cut(steps, mistake.response, next(found)) for mistake in trace.mistakes]
        kept = tuple(m for m in mistakes if m is not None)[:most]
        made_by = {**trace.made_by, "locate": judge.name}
        located.append(dataclasses.replace(trace, mistakes=kept, made_by=made_by))
    return located


def _cut(steps: StepFormat, response: str, index: int | None) -> Mistake | None:
    if index is None:
        return None
    try:
        prefix, rejected = steps.cut(response, index)
    except ValueError:  # a step that the response does not have, by this format
        return None
    return Mistake(response, index, prefix, rejected) if rejected.strip() else None
