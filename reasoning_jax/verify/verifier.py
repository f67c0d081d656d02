"""What a run verifies with: tasks' graders in the loop's process, their checks in the pool."""

import collections
import dataclasses
import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol

import jax

from reasoning_jax.parallel import exchange
from reasoning_jax.types import Check, Completion, Problem, Verdict
from reasoning_jax.verify.pool import Pool, failed

_LOG = logging.getLogger(__name__)


class Grader(Protocol):
    """The part of a task that verification needs."""

    def grade(self, problem: Problem, response: str) -> Verdict | Check:
        """Judges a response, or says what a worker has to do to judge it."""


class TooManyFailures(RuntimeError):
    """Checks fail so often that going on would waste the run."""


@dataclasses.dataclass(frozen=True)
class Pending:
    """Completions whose verdicts are being worked out.

    Attributes:
      completions: ``completions[i][j]`` is sample j of problem i.
      verdicts: futures in the same places; empty for problems of other processes of the job.
    """

    completions: list[list[Completion]]
    verdicts: "list[list[Future[Verdict]]]"


class Verifier:
    """Verifies completions while others are sampled, and watches how many checks fail.

    In a job of several processes each verifies its share of the problems and all agree on the
    verdicts of each, even if a check timed out on one host alone.

    Args:
      pool: runs checks; closed with the verifier.
      max_failures: fraction of the last ``window`` verdicts; above it the run is to stop.
      window, least: verdicts that the fraction is taken of, at most and at least.

    Raises:
      ValueError: numbers that make no threshold.
    """

    def __init__(self, pool: Pool, max_failures: float, window: int, least: int):
        if not 0 <= max_failures <= 1:
            raise ValueError(f"max_failures {max_failures} is no fraction; 1 never stops")
        if not 1 <= least <= window:
            raise ValueError(f"least {least} must be at least 1 and at most window {window}")
        self._pool, self._max_failures, self._least = pool, max_failures, least
        self._latest: collections.deque[str | None] = collections.deque(maxlen=window)
        self._reported: set[str] = set()

    def submit(self, task: Grader, problem: Problem, response: str) -> "Future[Verdict]":
        """The verdict of a response, at once if the task needs no worker for it.

        What goes wrong in the task's own code is a verdict too: "error:<Type>".
        """
        try:
            graded = task.grade(problem, response)
            if isinstance(graded, Check):
                return self._pool.submit(graded)
            if not isinstance(graded, Verdict):
                raise TypeError(
                    f"grade() returned a {type(graded).__name__}, not a Verdict or Check"
                )
        except Exception as error:
            graded = Verdict(None, f"error:{type(error).__name__}")
            if graded.reason not in self._reported:
                self._reported.add(graded.reason)
                _LOG.warning("%s cannot be graded: %s", problem.id, error, exc_info=True)
        future: Future[Verdict] = Future()
        future.set_result(graded)
        return future

    def start(
        self,
        task: Grader,
        problems: Sequence[Problem],
        stream: Iterable[tuple[int, list[Completion]]],
    ) -> Pending:
        """Submits completions as a sampler's stream brings them; returns at its end.

        Args:
          stream: (index of a problem, its completions), each index once.
        """
        completions: list[list[Completion]] = [[] for _ in problems]
        verdicts: list[list[Future[Verdict]]] = [[] for _ in problems]
        for i, outs in stream:
            completions[i] = outs
            if i % jax.process_count() == jax.process_index():
                verdicts[i] = [self.submit(task, problems[i], out.text) for out in outs]
        return Pending(completions, verdicts)

    def finish(self, pending: Pending) -> list[list[Verdict]]:
        """Waits for the verdicts, the same ones on every process of the job.

        Raises:
          TooManyFailures: more than ``max_failures`` of the last verdicts are failed checks.
          RuntimeError: there can be no workers, here or on another process.
        """
        if jax.process_count() == 1:
            verdicts = [[future.result() for future in row] for row in pending.verdicts]
        else:
            verdicts = _agree(pending.verdicts)
        self._watch(verdict for row in verdicts for verdict in row)
        return verdicts

    def close(self) -> None:
        """Ends the pool's workers."""
        self._pool.close()

    def _watch(self, verdicts: Iterable[Verdict]) -> None:
        self._latest.extend(v.reason if failed(v) else None for v in verdicts)
        reasons = collections.Counter(reason for reason in self._latest if reason is not None)
        seen, share = len(self._latest), reasons.total() / max(1, len(self._latest))
        if seen >= self._least and share > self._max_failures:
            kinds = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            raise TooManyFailures(
                f"checks failed for {reasons.total()} of the last {seen} answers ({kinds}), more "
                f"than verify.max_failures {self._max_failures:g} of them: mend the grader, give "
                "its checks more room, or raise the limit; the same command goes on from the last "
                "checkpoint"
            )


def _agree(mine: "list[list[Future[Verdict]]]") -> list[list[Verdict]]:
    """Every process's share put together; all raise if one of them cannot verify."""
    try:
        told = {"verdicts": [[vars(future.result()) for future in row] for row in mine]}
    except Exception as error:
        told = {"error": f"process {jax.process_index()}: {type(error).__name__}: {error}"}
    parts = [json.loads(part) for part in exchange(json.dumps(told).encode())]
    if errors := [part["error"] for part in parts if "error" in part]:
        raise RuntimeError(f"verification cannot go on: {errors[0]}")
    return [
        [Verdict(**verdict) for verdict in parts[i % len(parts)]["verdicts"][i]]
        for i in range(len(mine))
    ]
