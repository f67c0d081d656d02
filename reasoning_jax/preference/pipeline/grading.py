"""Completions of a generator with their verdicts."""

from collections.abc import Callable, Iterator, Sequence

from reasoning_jax.tasks import Task
from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify.verifier import Verifier

Graded = list[tuple[Completion, Verdict]]
Grade = Callable[[Sequence[Problem], Iterator[tuple[int, list[Completion]]]], list[Graded]]
"""(problems, a generator's stream for them) -> each one's completions with their verdicts."""


def grader(verifier: Verifier, task: Task) -> Grade:
    """Grades while the stream goes on."""

    def grade(
        problems: Sequence[Problem], stream: Iterator[tuple[int, list[Completion]]]
    ) -> list[Graded]:
        pending = verifier.start(task, problems, stream)
        verdicts = verifier.finish(pending)
        return [list(zip(outs, row)) for outs, row in zip(pending.completions, verdicts)]

    return grade
