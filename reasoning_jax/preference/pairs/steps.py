"""Step-DPO's pairs: responses cut at the first wrong step (arXiv 2406.18629)."""

import re
from collections.abc import Iterable

from reasoning_jax.preference.pairs.pair import Pair
from reasoning_jax.text.steps import split_numbered_steps, split_steps


def cut_at_step(response: str, index: int, separator: str = "\n") -> tuple[str, str]:
    """(what comes before step ``index``, the step), steps ending at ``separator``.

    The index counts from 0. The separator that ends the step belongs to neither part, for it is
    not trained.

    >>> cut_at_step("2,7,8", 1, ",")
    ('2,', '7')

    Raises:
      ValueError: the response has no such step.
    """
    steps = split_steps(response, separator)
    if not 0 <= index < len(steps):
        raise ValueError(f"step {index} of a response of {len(steps)} steps: {response!r}")
    return "".join(steps[:index]), _without(steps[index], separator)


def first_step(continuation: str, separator: str = "\n") -> str:
    """The first step of what was written after a prefix; "" where nothing was."""
    steps = split_steps(continuation, separator)
    return _without(steps[0], separator) if steps else ""


def cut_at_numbered_step(response: str, number: int, word: str = "Step") -> tuple[str, str]:
    """(what comes before the text of ``Step k:``, marker included, and that text).

    The step ends before the line of the next marker.

    >>> cut_at_numbered_step("Step 1: a\\nStep 2: b\\nStep 3: c", 2)
    ('Step 1: a\\nStep 2:', ' b')

    Raises:
      ValueError: the response has no such step.
    """
    before = ""
    for step in split_numbered_steps(response, word):
        marker = re.search(rf"\b{re.escape(word)} ([0-9]+):", step)
        if marker and int(marker[1]) == number:
            return before + step[: marker.end()], step[marker.end() :].rstrip("\n")
        before += step
    raise ValueError(f"no {word} {number}: in the response {response!r}")


def first_numbered_step(continuation: str, number: int, word: str = "Step") -> str:
    """The text of step ``number`` of what was written after a prefix that ends in ``Step k:``."""
    marker = f"{word} {number}:"
    return split_numbered_steps(marker + continuation, word)[0][len(marker) :].rstrip("\n")


def step_pairs(
    prompt: str, prefix: str, rejected: str, corrections: Iterable[str], source: str = ""
) -> tuple[Pair, ...]:
    """One pair for each distinct correction of a wrong step.

    Args:
      prefix: the response up to the wrong step.
      rejected: the wrong step.
      corrections: steps in its place whose continuations reach the right answer; blank ones and
        the wrong step itself are left out.
    """
    chosen = dict.fromkeys(step for step in corrections if step.strip() and step != rejected)
    return tuple(Pair(prompt, step, rejected, prefix, False, source) for step in chosen)


def _without(step: str, separator: str) -> str:
    while step.endswith(separator):
        step = step[: -len(separator)]
    return step
