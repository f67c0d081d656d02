"""Stories whose prompt is followed by a complement that says what they ask for."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.records import parse_records
from reasoning_jax.tasks.wordchain import Chain, WordChain
from reasoning_jax.types import Problem, StepLabels, Verdict


@dataclasses.dataclass(frozen=True)
class AugmentedWordChain(WordChain):
    """``wordchain`` with its operations in symbols behind the story: "... now? (3+4*2)".

    Prompt augmentation in the manner of PAS (arXiv 2407.06027) leaves a user's words as they are
    and adds a complement that helps to answer them. There a model writes it; here the task does,
    so that the gain is that of a perfect one.
    """

    name: ClassVar[str] = "augmented_wordchain"

    @property
    def alphabet(self) -> str:
        return super().alphabet + "()"

    def pose(self, latent: Chain, split: str, random: Random) -> dict[str, Any]:
        posed = super().pose(latent, split, random)
        complement = self.complement(latent, posed["prompt"])
        if not complement:
            return posed
        return {**posed, "prompt": f"{posed['prompt'].rstrip()} ({complement})\n"}

    def complement(self, latent: Chain, story: str) -> str:
        """What stands in brackets behind a story; "" adds nothing."""
        return self.key(latent)


@dataclasses.dataclass(frozen=True)
class WrittenAugmentedWordChain(AugmentedWordChain):
    """``AugmentedWordChain`` with complements that a model wrote, right or wrong.

    Attributes:
      data: file of records ``prompt`` (the story alone) and ``complement``, as the stage
        ``reasoning_jax.stages.complements`` writes it for a run on `StoryComplement`.
    """

    name: ClassVar[str] = "written_augmented_wordchain"

    data: str = dataclasses.field(kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        _written(self.data)

    def complement(self, latent: Chain, story: str) -> str:
        """What the file has for the story.

        Raises:
          ValueError: it has nothing for it, or something that the alphabet cannot spell.
        """
        found = _written(self.data).get(story)
        if found is None:
            raise ValueError(
                f"{self.data} has no complement of {story!r}; it must have been written for the "
                "same task options and for as many problems of each split as the run reads"
            )
        if not set(found) <= set(self.alphabet):
            raise ValueError(
                f"{self.data}: the complement {found!r} has characters besides {self.alphabet!r}"
            )
        return found


@dataclasses.dataclass(frozen=True)
class StoryComplement(WordChain):
    """The task of an augmentation model: a story of ``wordchain``, answered by its complement.

    Stories of the same options are those of ``AugmentedWordChain``.
    """

    name: ClassVar[str] = "story_complement"

    def pose(self, latent: Chain, split: str, random: Random) -> dict[str, Any]:
        posed = super().pose(latent, split, random)
        return {**posed, "answer": self.key(latent), "solution": self.key(latent)}

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when it is the complement. Reasons: "exact", "different"."""
        right = response.strip() == problem.answer
        return Verdict(right, "exact" if right else "different", response.strip())

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """ValueError: a complement has no steps."""
        raise ValueError(f"{self.name} has no steps to label")


@functools.cache
def _written(path: str) -> Mapping[str, str]:
    """Story -> complement."""

    def parse(record: Mapping[str, Any]) -> tuple[str, str]:
        for field in ("prompt", "complement"):
            if not isinstance(record.get(field), str):
                raise ValueError(f"{field} is {record.get(field)!r}, not text")
        return record["prompt"], record["complement"]

    return dict(parse_records(pathlib.Path(path), parse))
