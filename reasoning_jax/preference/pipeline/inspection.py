"""An inspector of corrections: what does not pass is written anew (arXiv 2410.09008)."""

from collections.abc import Callable, Sequence


def inspect_corrections(
    written: Sequence[Sequence[str]],
    passes: Callable[[int, str], bool | None],
    rewrite: Callable[[Sequence[int], Sequence[str], int], Sequence[Sequence[str]]],
    most: int,
    rounds: int,
) -> list[list[str]]:
    """The corrections of each error that pass, those written anew in up to ``rounds`` rounds too.

    An error is open while fewer than ``most`` distinct corrections of it pass.

    Args:
      written: first corrections of every error.
      passes: (index of an error, correction) -> whether it is right; None counts as no.
      rewrite: (indices of open errors, for each the correction to be written anew, "" where there
        was none; round from 1) -> new corrections of each of them.
    """
    passed: list[list[str]] = [[] for _ in written]
    failed = [""] * len(written)
    places, found = list(range(len(written))), written
    for number in range(rounds + 1):
        if number:
            found = rewrite(places, [failed[place] for place in places], number)
        for place, traces in zip(places, found, strict=True):
            verdicts = [passes(place, trace) is True for trace in traces]
            passed[place] += [trace for trace, right in zip(traces, verdicts) if right]
            wrong = [trace for trace, right in zip(traces, verdicts) if not right]
            failed[place] = wrong[0] if wrong else failed[place]
        places = [place for place in places if len(set(passed[place])) < most]
        if not places:
            break
    return passed
