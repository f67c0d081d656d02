"""Prompts of concurrent requests, completed together by one worker thread."""

import concurrent.futures
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from absl import logging

from reasoning_jax.serving.errors import RequestError
from reasoning_jax.serving.job import Job, Written
from reasoning_jax.serving.score import Scorer
from reasoning_jax.serving.write import Writer


class Ticket:
    """A job in the queue or at work.

    Attributes:
      job: what is wanted.
      future: its completions, one for each sample.
      show: told (sample, text) of streamed jobs, in the worker's thread.
    """

    def __init__(self, job: Job, show: Callable[[int, str], None]):
        self.job = job
        self.show = show
        self.future: concurrent.futures.Future[list[Written]] = concurrent.futures.Future()
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """Nobody waits for it any more; does nothing to one that is done."""
        self._abandoned.set()
        self.future.cancel()

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits."""
        return not self._abandoned.is_set()


class Batcher:
    """Runs jobs that wait at the same time as one batch, which later ones may join.

    Args:
      writer: completes jobs.
      scorer: of rows whose log-probabilities are asked for.
      max_rows: most completions at once; no job has more.
      max_waiting: most jobs in the queue.
      window: seconds without a new job, after which a batch that ends an idle time begins.
    """

    def __init__(
        self,
        writer: Writer,
        scorer: Scorer,
        max_rows: int,
        max_waiting: int,
        window: float = 0.005,
    ):
        self._writer = writer
        self._scorer = scorer
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._window = window
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._running = self._batches = self._tokens = 0
        # A daemon: a batch that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(
        self, jobs: Sequence[Job], show: Callable[[int, int, str], None] | None = None
    ) -> list[Ticket]:
        """Queues all jobs, or none.

        Args:
          show: show(i, sample, text) is told of the text of streamed jobs.

        Raises:
          RequestError: status 429 for a full queue, 503 while closing.
        """

        def shower(i: int) -> Callable[[int, str], None]:
            return lambda sample, text: show(i, sample, text) if show else None

        tickets = [Ticket(job, shower(i)) for i, job in enumerate(jobs)]
        with self._changed:
            if self._closing:
                raise RequestError("the server is shutting down; try another", 503)
            if len(self._waiting) + len(tickets) > self._max_waiting:
                raise RequestError(
                    f"{len(self._waiting)} prompts wait and {len(tickets)} more exceed the queue "
                    f"of {self._max_waiting}; try again later, or send fewer at once",
                    429,
                    code="queue_full",
                )
            self._waiting.extend(tickets)
            self._changed.notify()
        return tickets

    def status(self) -> dict[str, int]:
        """Prompts waiting and running; batches done and tokens written since the start."""
        with self._changed:
            return {
                "waiting": len(self._waiting),
                "running": self._running,
                "batches": self._batches,
                "tokens": self._tokens,
            }

    @property
    def alive(self) -> bool:
        """Whether jobs are taken."""
        return self._thread.is_alive() and not self._closing

    def refuse(self) -> None:
        """Takes no more jobs; those that wait are still done."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Takes no more jobs and waits so long for those there are; then gives them up."""
        self.refuse()
        self._thread.join(seconds)
        with self._changed:
            for ticket in self._waiting:
                ticket.abandon()
            self._waiting.clear()

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._run(batch)
            except Exception as error:  # the server outlives a batch
                logging.exception("a batch of %d prompts failed", len(batch))
                for ticket in batch:
                    if not ticket.future.done():
                        ticket.future.set_exception(error)

    def _next(self) -> list[Ticket] | None:
        """The next batch, as soon as there is one; None at the end."""
        with self._changed:
            self._running = 0
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
                self._gather()
            batch = self._take(self._max_rows)
            self._batches += bool(batch)
        return batch

    def _take(self, room: int) -> list[Ticket]:
        """Tickets from the queue, in order, whose completions find room; holds the lock."""
        taken, left = [], deque()
        for ticket in self._waiting:
            if ticket.job.n > room:
                left.append(ticket)
                room = 0  # none overtakes it
            elif ticket.future.set_running_or_notify_cancel():
                taken.append(ticket)
                room -= ticket.job.n
        self._waiting = left
        self._running += len(taken)
        return taken

    def _gather(self) -> None:
        """Lets the requests that come at the same time in, until none came for a window.

        A steady trickle ends it after ten.
        """
        end = time.monotonic() + 10 * self._window
        while not self._closing and time.monotonic() < end:
            before = len(self._waiting)
            if sum(ticket.job.n for ticket in self._waiting) >= self._max_rows:
                return
            self._changed.wait(self._window)
            if len(self._waiting) == before:
                return

    def _run(self, batch: list[Ticket]) -> None:
        """Completes a batch and those that join it; ``batch`` grows by them."""
        if not batch:  # all were given up while they waited
            return

        def join(room: int) -> list[Job]:
            with self._changed:
                joined = self._take(room)
            batch.extend(joined)
            return [ticket.job for ticket in joined]

        written = self._writer.write(
            [ticket.job for ticket in batch],
            lambda i, sample, text: batch[i].show(sample, text),
            lambda i: batch[i].wanted,
            join,
        )
        for i, outs in written:
            job = batch[i].job
            if job.top is not None:
                rows = [(*job.tokens, *out.tokens) for out in outs]
                scores = self._scorer.score(rows, max(job.top, 1))
                outs = [dataclasses.replace(o, scores=s) for o, s in zip(outs, scores)]
            with self._changed:
                self._running -= 1
                self._tokens += sum(len(out.tokens) for out in outs)
            batch[i].future.set_result(outs)
