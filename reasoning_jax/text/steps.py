"""Responses cut into reasoning steps; joining the steps gives the response back exactly."""

import itertools
import re
from collections.abc import Sequence


def split_steps(text: str, separator: str = "\n") -> tuple[str, ...]:
    """Cuts after each run of ``separator``, which stays at the end of its step.

    A run at the very start belongs to the first step, so no step is empty.

    >>> split_steps("a\\n\\nb\\n")
    ('a\\n\\n', 'b\\n')

    Raises:
      ValueError: the separator is empty.
    """
    if not separator:
        raise ValueError("the separator of steps is empty; give at least one character")
    runs = re.finditer(f"(?:{re.escape(separator)})+", text)
    return _cut(text, [run.end() for run in runs if run.start() > 0])


def split_numbered_steps(text: str, word: str = "Step") -> tuple[str, ...]:
    """Cuts before each ``Step k:`` that counts on from the one before.

    The first marker may have any number (a continuation starts at k) and a marker out of turn is
    a mention, not a step. Text before the first marker belongs to the first step.

    >>> split_numbered_steps("Step 1: a\\nStep 2: as in Step 1: b")
    ('Step 1: a\\n', 'Step 2: as in Step 1: b')
    """
    starts: list[int] = []
    expected = None
    for marker in re.finditer(rf"\b{re.escape(word)} ([0-9]+):", text):
        number = int(marker[1])
        if expected in (None, number):
            starts.append(marker.start())
            expected = number + 1
    return _cut(text, starts[1:])


def _cut(text: str, positions: Sequence[int]) -> tuple[str, ...]:
    bounds = itertools.pairwise((0, *positions, len(text)))
    return tuple(text[start:end] for start, end in bounds if start < end)
