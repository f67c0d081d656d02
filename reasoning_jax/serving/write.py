"""Completing the prompts of a batch through the sampler."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from reasoning_jax.sampling import Sampler, SamplingParams, TurnSampler
from reasoning_jax.sampling.engine import Row
from reasoning_jax.serving.job import Job, Settings, Written
from reasoning_jax.serving.text import before_stop, certain
from reasoning_jax.shapes import bucket
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion

# Tokens between looks at the text of rows that are streamed: at first few, then as many as the
# row has, so that reading a row again costs no more than writing it did.
_FIRST_SEGMENT, _LAST_SEGMENT = 16, 64

Show = Callable[[int, int, str], None]
"""show(job, sample, text): more of the text of a completion."""


class Writer(Protocol):
    """Completes jobs whose settings are equal."""

    def write(
        self, jobs: Sequence[Job], show: Show, wanted: Callable[[int], bool]
    ) -> list[list[Written]]:
        """``outs[i][j]`` is sample j of job i; it depends on the job alone.

        Args:
          show: told of text of streamed jobs; the parts of a completion join to its text.
          wanted: whether job i still is; those that are not end where they are.
        """
        ...


class RowWriter:
    """Samples rows of any prompts, limits and numbers of samples together.

    Args:
      sampler: continues rows.
      rows: decoded at once; fewer are padded to a quarter, a sixteenth ... of them.
      context: most tokens of a row.
    """

    def __init__(self, sampler: Sampler, rows: int, context: int):
        self._sampler = sampler
        self._rows = rows
        self._context = context

    def write(
        self, jobs: Sequence[Job], show: Show, wanted: Callable[[int], bool]
    ) -> list[list[Written]]:
        """As Writer has it."""
        settings = jobs[0].settings
        rows = [_Row(i, job, sample) for i, job in enumerate(jobs) for sample in range(job.n)]
        while live := [row for row in rows if row.finish_reason is None and wanted(row.index)]:
            states = [row.state() for row in live]
            steps = bucket(max(state.limit for state in states), largest_step=1 << 30)
            sampling = _sampling(settings, min(steps, self._context))
            added = self._sampler.extend(states, sampling, self._rows)
            for row, out in zip(live, added):
                new = row.append(out, self._sampler.tokenizer)
                if settings.streamed and new:
                    show(row.index, row.sample, new)
        outs: list[list[Written]] = [[] for _ in jobs]
        for row in rows:
            outs[row.index].append(row.written())
        return outs


class TurnWriter:
    """Samples with tools, whose results stand in the text; streamed jobs show all at the end.

    Args:
      sampler: calls the tools.
    """

    def __init__(self, sampler: TurnSampler):
        self._sampler = sampler

    def write(
        self, jobs: Sequence[Job], show: Show, wanted: Callable[[int], bool]
    ) -> list[list[Written]]:
        """As Writer has it."""
        outs = [[Written("", (), "length")] * job.n for job in jobs]
        alike: dict[tuple[int, int], list[int]] = {}
        for i, job in enumerate(jobs):
            if job.limit and wanted(i):
                alike.setdefault((job.n, job.limit), []).append(i)
        for (n, limit), group in alike.items():
            completions = self._sampler.generate(
                [jobs[i].tokens for i in group],
                dataclasses.replace(_sampling(jobs[group[0]].settings, limit), n=n),
                [jobs[i].prompt_id for i in group],
            )
            for i, samples in zip(group, completions):
                outs[i] = [
                    Written(out.transcript or out.text, out.tokens, out.finish_reason)
                    for out in samples
                ]
                if jobs[i].settings.streamed:
                    for sample, out in enumerate(outs[i]):
                        show(i, sample, out.text)
        return outs


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

    def __init__(self, index: int, job: Job, sample: int):
        self.index = index
        self.sample = sample
        self.finish_reason = None if job.limit else "length"
        self._job = job
        self._tokens: list[int] = []
        self._text = ""
        self._shown = 0

    def state(self) -> Row:
        """The row for the sampler to continue."""
        done = len(self._tokens)
        limit = self._job.limit - done
        if self._job.settings.streamed:
            limit = min(limit, max(_FIRST_SEGMENT, min(done, _LAST_SEGMENT)))
        tokens = (*self._job.tokens, *self._tokens)
        return Row(tokens, self._job.prompt_id, self.sample, step=done, limit=limit)

    def append(self, out: Completion, tokenizer: Tokenizer) -> str:
        """Takes in what was sampled; returns the text that is certain now and was not before."""
        stops = self._job.settings.stop
        before = len(self._tokens)
        self._tokens += out.tokens
        self._text = tokenizer.decode(self._tokens)
        cut = before_stop(self._text, stops)
        if cut is not None:
            # A stop may begin in one segment and end in the next.
            first = next(
                count
                for count in range(before + 1, len(self._tokens) + 1)
                if before_stop(tokenizer.decode(self._tokens[:count]), stops) is not None
            )
            del self._tokens[first:]
            self._text, self.finish_reason = cut, "stop"
        elif self._tokens[-1] in tokenizer.eos_ids:
            self.finish_reason = "stop"
        elif len(self._tokens) == self._job.limit:
            self.finish_reason = "length"
        known = self._text if self.finish_reason else certain(self._text, stops)
        new = known[self._shown :]
        self._shown = max(self._shown, len(known))
        return new

    def written(self) -> Written:
        """The completion as far as it got."""
        return Written(self._text, tuple(self._tokens), self.finish_reason or "length")
