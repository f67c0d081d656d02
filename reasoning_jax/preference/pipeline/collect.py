"""First step: responses with wrong answers."""

from collections.abc import Sequence

from reasoning_jax.generators import Generator, Request
from reasoning_jax.preference.pipeline.grading import Grade
from reasoning_jax.preference.pipeline.trace import Mistake, Trace, key_of
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.types import Problem


def collect(
    generator: Generator, grade: Grade, problems: Sequence[Problem], sampling: SamplingParams
) -> list[Trace]:
    """Samples ``sampling.n`` responses to each problem and sorts them by their verdict.

    Blank responses and those cut at the limit, which may end in half a step, take no part; nor do
    those that cannot be judged.
    """
    requests = [Request(problem.prompt, key=key_of(problem.id)) for problem in problems]
    graded = grade(problems, generator.stream(requests, sampling))
    traces = []
    for problem, row in zip(problems, graded):
        whole = {
            out.text: verdict.correct
            for out, verdict in row
            if out.finish_reason == "stop" and out.text.strip()
        }
        traces.append(
            Trace(
                problem.id,
                problem.prompt,
                tuple(Mistake(text) for text, correct in whole.items() if correct is False),
                tuple(text for text, correct in whole.items() if correct is True),
                {"collect": generator.name},
            )
        )
    return traces
