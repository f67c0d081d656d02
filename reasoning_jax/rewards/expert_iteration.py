"""What an attempt at proving statements is worth to the next round (DeepSeek-Prover). Host.

arXiv 2405.14333: proofs that were verified train the model; statements that are false, or whose
hypotheses contradict each other so that anything follows, are dropped.
"""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What was found out about one statement.

    Attributes:
      id: of the statement.
      proved: a proof of it was verified.
      hyp_inconsistent: False was proved from its hypotheses.
      negation_proved: a proof of its negation was verified.
    """

    id: int | str
    proved: bool
    hyp_inconsistent: bool
    negation_proved: bool


@dataclasses.dataclass(frozen=True)
class Sorted:
    """Ids of statements to train on, to try again, and to drop, each in order, each once."""

    train: tuple[int | str, ...]
    retry: tuple[int | str, ...]
    drop: tuple[int | str, ...]


def sort_statements(attempts: Iterable[Attempt]) -> Sorted:
    """Sorts statements by all attempts at them: one verified proof of each trains.

    A statement that was ever shown false or empty is dropped, whatever else was proved.
    """
    found: dict[int | str, list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault(attempt.id, []).append(attempt)
    dropped = {id for id, all_of in found.items() if any(map(_worthless, all_of))}
    proved = {id for id, all_of in found.items() if any(a.proved for a in all_of)} - dropped
    return Sorted(
        tuple(id for id in found if id in proved),
        tuple(id for id in found if id not in proved and id not in dropped),
        tuple(id for id in found if id in dropped),
    )


def _worthless(attempt: Attempt) -> bool:
    return attempt.hyp_inconsistent or attempt.negation_proved
