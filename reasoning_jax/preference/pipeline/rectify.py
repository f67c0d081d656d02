"""Third step: what a generator writes in place of a wrong step, where it ends rightly."""

import dataclasses
from collections.abc import Iterator, Sequence

from reasoning_jax.generators import Generator, Request
from reasoning_jax.preference.pairs.step_format import StepFormat
from reasoning_jax.preference.pipeline.grading import Grade, Graded
from reasoning_jax.preference.pipeline.trace import Correction, Mistake, Trace, key_of
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.types import Completion, Problem


def rectify(
    generator: Generator,
    grade: Grade,
    steps: StepFormat,
    problems: Sequence[Problem],
    traces: Sequence[Trace],
    sampling: SamplingParams,
) -> list[Trace]:
    """Goes on ``sampling.n`` times from the prefix of each mistake; right answers correct it.

    Only the outcome is judged here, so that a lucky wrong step passes, as in the paper;
    ``assemble`` may ask a judge. Own corrections are those of the generator that made the
    mistakes, foreign ones those of any other.

    Args:
      problems: of the traces.
    """
    flat = [
        (problem, mistake, place)
        for problem, trace in zip(problems, traces)
        for place, mistake in enumerate(trace.mistakes)
    ]
    requests = [
        Request(problem.prompt, mistake.prefix, key=key_of(problem.id) * 1024 + place)
        for problem, mistake, place in flat
    ]

    def whole() -> Iterator[tuple[int, list[Completion]]]:
        for index, outs in generator.stream(requests, sampling) if requests else ():
            prefix = flat[index][1].prefix
            yield index, [dataclasses.replace(out, text=prefix + out.text) for out in outs]

    graded = iter(grade([problem for problem, *_ in flat], whole()))
    return [
        dataclasses.replace(
            trace,
            mistakes=tuple(_corrected(steps, mistake, next(graded)) for mistake in trace.mistakes),
            made_by={**trace.made_by, "rectify": generator.name},
        )
        for trace in traces
    ]


def _corrected(steps: StepFormat, mistake: Mistake, graded: Graded) -> Mistake:
    corrections: dict[str, str] = {}
    for out, verdict in graded:
        if verdict.correct is True and out.finish_reason == "stop":
            step = steps.first(out.text[len(mistake.prefix) :], mistake.index)
            if step.strip() and step != mistake.rejected:
                corrections.setdefault(step, out.text)
    found = tuple(Correction(step, response) for step, response in corrections.items())
    return dataclasses.replace(mistake, corrections=found)
