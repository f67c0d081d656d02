"""Where a stage of scored responses gets them."""

import dataclasses
from typing import Protocol

from reasoning_jax.preference.pairs import Scored, encode_context, read_scored
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.sources.own_answers import OwnAnswers


class ScoredSource(Protocol):
    """What the ``source`` of a stage of scored responses names."""

    def validate(self, context: Context) -> None:
        """ValueError when it cannot work; called before any work."""

    def scored(self, context: Context, trained: dict, seed: int) -> tuple[Scored, ...]:
        """The scored responses, from the policy of the moment."""


@dataclasses.dataclass(frozen=True)
class ScoredFile:
    """Responses of a file, in the layouts of ``read_scored``.

    Attributes:
      path: of the file.
      on_malformed: "stop", or "skip" to train without the records that cannot be read.
    """

    path: str
    on_malformed: str = "stop"

    def validate(self, context: Context) -> None:
        """ValueError or FileNotFoundError unless the file can be read."""
        for entry in read_scored(self.path, self.on_malformed):
            if entry.turns:
                encode_context(context.tokenizer, entry.prompt, entry.turns)
                break

    def scored(self, context: Context, trained: dict, seed: int) -> tuple[Scored, ...]:
        """All of the file's prompts."""
        return read_scored(self.path, self.on_malformed)


@dataclasses.dataclass(frozen=True)
class SampledScored(OwnAnswers):
    """The policy's own responses, of score 1 where their answer is right and 0 where it is wrong.

    Problems whose responses are all of one kind take no part.

    Attributes:
      most: distinct responses to one problem, the first ones, at least one of each kind.
    """

    most: int = 4

    def validate(self, context: Context) -> None:
        """ValueError unless problems can be asked and several responses compared."""
        super().validate(context)
        if self.most < 2:
            raise ValueError(f"source.most is {self.most}; at least 2 responses are compared")

    def scored(self, context: Context, trained: dict, seed: int) -> tuple[Scored, ...]:
        """The problems with right and wrong responses."""
        found = []
        for problem, row in self.graded(context, trained, seed):
            scores = {
                out.text: float(verdict.correct)
                for out, verdict in row
                if verdict.correct is not None and out.finish_reason == "stop" and out.text.strip()
            }
            if chosen := self._of_both_kinds(scores):
                texts = tuple(chosen)
                values = tuple(scores[text] for text in texts)
                found.append(Scored(problem.prompt, texts, values, problem.id))
        return tuple(found)

    def _of_both_kinds(self, scores: dict[str, float]) -> list[str]:
        """The first responses, the last of them of the other kind where all others are of one."""
        if len(set(scores.values())) < 2:
            return []
        first = list(scores)[: self.most]
        if len({scores[text] for text in first}) < 2:
            first[-1] = next(text for text in scores if scores[text] != scores[first[0]])
        return first
