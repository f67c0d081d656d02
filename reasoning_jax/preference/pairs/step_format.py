"""How responses fall into steps, as pairs are cut from them."""

import dataclasses
from typing import Protocol

from reasoning_jax.preference.pairs.steps import (
    cut_at_numbered_step,
    cut_at_step,
    first_numbered_step,
    first_step,
)


class StepFormat(Protocol):
    """Cuts responses at steps, which count from 0."""

    def cut(self, response: str, index: int) -> tuple[str, str]:
        """(what comes before the step, the step); ValueError where there is no such step."""
        ...

    def first(self, continuation: str, index: int) -> str:
        """Step ``index`` of what was written after the part before it; "" where nothing was."""
        ...


@dataclasses.dataclass(frozen=True)
class Separated:
    """Steps that a separator ends, such as a newline."""

    separator: str = "\n"

    def cut(self, response: str, index: int) -> tuple[str, str]:
        return cut_at_step(response, index, self.separator)

    def first(self, continuation: str, index: int) -> str:
        return first_step(continuation, self.separator)


@dataclasses.dataclass(frozen=True)
class Numbered:
    """Steps that begin with ``Step 1:``, ``Step 2:``, ...; the marker is part of what is before."""

    word: str = "Step"

    def cut(self, response: str, index: int) -> tuple[str, str]:
        return cut_at_numbered_step(response, index + 1, self.word)

    def first(self, continuation: str, index: int) -> str:
        return first_numbered_step(continuation, index + 1, self.word)
