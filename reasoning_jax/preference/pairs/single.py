"""One response that was judged good or bad, as text."""

import dataclasses
from collections.abc import Iterable

from reasoning_jax.preference.pairs.pair import Pair, Turn


@dataclasses.dataclass(frozen=True)
class Single:
    """A judged response.

    Attributes:
      prompt: of the problem.
      response: to its end.
      desirable: whether it was judged good.
      source: where it comes from, such as the id of its problem.
      turns: messages before the prompt, as in Pair.
    """

    prompt: str
    response: str
    desirable: bool
    source: str = ""
    turns: tuple[Turn, ...] = ()


def unpaired(pairs: Iterable[Pair]) -> tuple[Single, ...]:
    """Both sides of each pair, the chosen one as good and the rejected one as bad.

    Raises:
      ValueError: a pair of steps, whose sides are no whole responses.
    """
    singles = []
    for pair in pairs:
        if not pair.complete:
            raise ValueError(f"{pair} is one of steps; single responses are judged as a whole")
        for response, desirable in ((pair.chosen, True), (pair.rejected, False)):
            whole = pair.prefix + response
            singles.append(Single(pair.prompt, whole, desirable, pair.source, pair.turns))
    return tuple(singles)
