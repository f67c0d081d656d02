"""Stories whose prompt is followed by a complement that says what they ask for."""

import dataclasses
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.wordchain import Chain, WordChain


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
        return {**posed, "prompt": f"{posed['prompt'].rstrip()} ({self.key(latent)})\n"}
