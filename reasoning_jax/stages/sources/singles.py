"""Where a stage of unpaired responses gets them."""

import dataclasses
from typing import Protocol

from reasoning_jax.preference.pairs import (
    Single,
    encode_context,
    read_pairs,
    read_singles,
    unpaired,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.sources.own_answers import OwnAnswers


class SingleSource(Protocol):
    """What the ``source`` of a stage of unpaired responses names."""

    def validate(self, context: Context) -> None:
        """ValueError when it cannot work; called before any work."""

    def singles(self, context: Context, trained: dict, seed: int) -> tuple[Single, ...]:
        """The judged responses, from the policy of the moment."""


@dataclasses.dataclass(frozen=True)
class SingleFile:
    """Responses of a file, in the layouts of ``read_singles``.

    Attributes:
      path: of the file.
      on_malformed: "stop", or "skip" to train without the records that cannot be read.
    """

    path: str
    on_malformed: str = "stop"

    def validate(self, context: Context) -> None:
        """ValueError or FileNotFoundError unless the file can be read."""
        _check_turns(context, read_singles(self.path, self.on_malformed))

    def singles(self, context: Context, trained: dict, seed: int) -> tuple[Single, ...]:
        """All of the file's responses."""
        return read_singles(self.path, self.on_malformed)


@dataclasses.dataclass(frozen=True)
class PairFileApart:
    """Both sides of the pairs of a file, each on its own; attributes as of SingleFile."""

    path: str
    on_malformed: str = "stop"

    def validate(self, context: Context) -> None:
        """ValueError or FileNotFoundError unless the file can be read."""
        _check_turns(context, unpaired(read_pairs(self.path, self.on_malformed)))

    def singles(self, context: Context, trained: dict, seed: int) -> tuple[Single, ...]:
        """Two responses of each pair."""
        return unpaired(read_pairs(self.path, self.on_malformed))


@dataclasses.dataclass(frozen=True)
class SampledSingles(OwnAnswers):
    """The policy's own responses, good where their answer is right.

    Attributes:
      most: responses of one kind to one problem; 0 is all.
    """

    most: int = 1

    def validate(self, context: Context) -> None:
        """ValueError unless problems can be asked."""
        super().validate(context)
        if self.most < 0:
            raise ValueError(f"source.most is {self.most}; 0 is all")

    def singles(self, context: Context, trained: dict, seed: int) -> tuple[Single, ...]:
        """Up to ``most`` right and as many wrong responses to each problem."""
        found = []
        for trace in self.traces(context, trained, seed):
            kinds = ((True, trace.right), (False, [m.response for m in trace.mistakes]))
            for desirable, texts in kinds:
                for text in texts[: self.most] if self.most else texts:
                    found.append(Single(trace.prompt, text, desirable, trace.id))
        return tuple(found)


def _check_turns(context: Context, singles: tuple[Single, ...]) -> None:
    """ValueError where there are conversations and nothing says how to write them."""
    for single in singles:
        if single.turns:
            encode_context(context.tokenizer, single.prompt, single.turns)
            return
