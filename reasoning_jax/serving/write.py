"""Completing prompts through the sampler, those that come meanwhile too."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from reasoning_jax.sampling import Sampler, SamplingParams, TurnSampler
from reasoning_jax.sampling.slots import Slots
from reasoning_jax.sampling.task import Row, Task
from reasoning_jax.serving.job import Job, Settings, Written
from reasoning_jax.serving.text import certain
from reasoning_jax.text import Tokenizer

# Most tokens between looks at the text of rows that are streamed.
_SEGMENT = 16

Show = Callable[[int, int, str], None]
"""show(job, sample, text): more of the text of a completion."""

Join = Callable[[int], Sequence[Job]]
"""join(room): jobs that have come meanwhile, of at most so many completions together."""


def nobody(room: int) -> Sequence[Job]:
    """No job joins."""
    return ()


class Writer(Protocol):
    """Completes jobs."""

    def write(
        self,
        jobs: Sequence[Job],
        show: Show,
        wanted: Callable[[int], bool],
        join: Join = nobody,
    ) -> Iterator[tuple[int, list[Written]]]:
        """(i, the completions of job i) of each job, as soon as all of them have ended.

        They depend on the job alone.

        Args:
          show: told of text of streamed jobs; the parts of a completion join to its text.
          wanted: whether job i still is; those that are not end where they are.
          join: asked now and then; the jobs it gives are counted on after those there are.
        """
        ...


class RowWriter:
    """Samples rows of any prompts, settings, limits and numbers of samples together.

    Args:
      sampler: continues rows.
      rows: decoded at once.
    """

    def __init__(self, sampler: Sampler, rows: int):
        self._sampler = sampler
        self._rows = rows

    def write(
        self,
        jobs: Sequence[Job],
        show: Show,
        wanted: Callable[[int], bool],
        join: Join = nobody,
    ) -> Iterator[tuple[int, list[Written]]]:
        """As Writer has it."""
        slots = self._sampler.slots(self._rows, ladder=4)
        count, live = 0, {}
        while jobs or live:
            for i, job in enumerate(jobs, start=count):
                live[i] = [self._row(job, sample) for sample in range(job.n)]
                slots.add([row.task for row in live[i] if not row.task.finished])
            count += len(jobs)
            for i in [i for i in live if not wanted(i)]:
                for row in live[i]:
                    row.give_up(slots)
            streamed = any(row.streamed for rows in live.values() for row in rows)
            slots.step(_SEGMENT if streamed else None)
            for i, rows in list(live.items()):
                for sample, row in enumerate(rows):
                    if row.streamed and (new := row.more()):
                        show(i, sample, new)
                if all(row.ended for row in rows):
                    del live[i]
                    yield i, [row.written() for row in rows]
            jobs = join(self._rows - sum(len(rows) for rows in live.values()))

    def _row(self, job: Job, sample: int) -> "_Row":
        row = Row(job.tokens, job.prompt_id, sample, step=0, limit=job.limit)
        task = self._sampler.task(row, _sampling(job.settings, max(1, job.limit)))
        return _Row(task, job.settings, self._sampler.tokenizer)


class TurnWriter:
    """Samples with tools, whose results stand in the text; streamed jobs show all at the end.

    Jobs that come meanwhile wait for the next batch.

    Args:
      sampler: calls the tools.
    """

    def __init__(self, sampler: TurnSampler):
        self._sampler = sampler

    def write(
        self,
        jobs: Sequence[Job],
        show: Show,
        wanted: Callable[[int], bool],
        join: Join = nobody,
    ) -> Iterator[tuple[int, list[Written]]]:
        """As Writer has it."""
        alike: dict[tuple[Settings, int, int], list[int]] = {}
        for i, job in enumerate(jobs):
            if job.limit and wanted(i):
                alike.setdefault((job.settings, job.n, job.limit), []).append(i)
            else:
                yield i, [Written("", (), "length")] * job.n
        for (settings, n, limit), group in alike.items():
            completions = self._sampler.generate(
                [jobs[i].tokens for i in group],
                dataclasses.replace(_sampling(settings, limit), n=n),
                [jobs[i].prompt_id for i in group],
            )
            for i, samples in zip(group, completions):
                outs = [
                    Written(out.transcript or out.text, out.tokens, out.finish_reason)
                    for out in samples
                ]
                if settings.streamed:
                    for sample, out in enumerate(outs):
                        show(i, sample, out.text)
                yield i, outs


def _sampling(settings: Settings, max_tokens: int) -> SamplingParams:
    # The seed of a request is part of its prompt ids, so that different ones share a batch.
    return SamplingParams(
        max_tokens=max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        stop=settings.stop,
        seed=0,
    )


class _Row:
    """A completion while it grows."""

    def __init__(self, task: Task, settings: Settings, tokenizer: Tokenizer):
        self.task = task
        self.streamed = settings.streamed
        self._stops = settings.stop
        self._tokenizer = tokenizer
        self._given_up = False
        self._looked = self._shown = 0

    @property
    def ended(self) -> bool:
        """Nothing more will be written."""
        return self.task.finished or self._given_up

    def give_up(self, slots: Slots) -> None:
        """Ends it as it stands."""
        if not self.ended:
            slots.drop(self.task)
            self._given_up = True

    def more(self) -> str:
        """The text that is certain now and was not before."""
        if len(self.task.tokens) == self._looked and not self.task.finished:
            return ""
        self._looked = len(self.task.tokens)
        if self.task.finished:
            known = self.task.completion().text
        else:
            known = certain(self._tokenizer.decode(self.task.tokens), self._stops)
        new = known[self._shown :]
        self._shown = max(self._shown, len(known))
        return new

    def written(self) -> Written:
        """The completion as far as it got."""
        out = self.task.completion()
        return Written(out.text, out.tokens, out.finish_reason)
