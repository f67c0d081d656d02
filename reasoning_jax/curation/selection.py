"""A budget spread over buckets of data, the hardest of each (InfiAlign, arXiv 2508.05496)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def water_fill(counts: Mapping[Any, int], budget: int) -> dict[Any, int]:
    """How many to take of each bucket: one of each in turn, in sorted order, until all is spent.

    Buckets that are empty are passed over, so the quotas are as equal as the counts allow.

    Raises:
      ValueError: a negative budget.
    """
    if budget < 0:
        raise ValueError(f"budget is {budget}; it must be at least 0")
    quota = dict.fromkeys(sorted(counts), 0)
    left = min(budget, sum(counts.values()))
    while left:
        open_ = [name for name in quota if quota[name] < counts[name]]
        # Whole rounds at once, as long as no bucket runs dry.
        rounds = max(1, min(left // len(open_), min(counts[n] - quota[n] for n in open_)))
        for name in open_[:left]:
            quota[name] += rounds
        left -= rounds * len(open_[:left])
    return quota


def select(
    pool: Sequence[T],
    budget: int,
    *,
    bucket: Callable[[T], Any],
    difficulty: Callable[[T], float],
    keep: Sequence[Callable[[T], bool]] = (),
) -> tuple[int, ...]:
    """Indices of the selected entries, in the order of the pool.

    Args:
      budget: most entries.
      bucket: what the quota is equal over, such as (domain, cluster); sortable.
      difficulty: of an entry, such as the length of its solution; the largest go first, and of
        equal ones the earliest.
      keep: filters that an entry has to pass first.
    """
    buckets: dict[Any, list[int]] = {}
    for index, entry in enumerate(pool):
        if all(test(entry) for test in keep):
            buckets.setdefault(bucket(entry), []).append(index)
    quota = water_fill({name: len(members) for name, members in buckets.items()}, budget)
    chosen = []
    for name, members in buckets.items():
        hardest = sorted(members, key=lambda index: (-difficulty(pool[index]), index))
        chosen += hardest[: quota[name]]
    return tuple(sorted(chosen))
