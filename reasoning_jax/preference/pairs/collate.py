"""Encoded responses as the arrays of an update."""

import itertools
from collections.abc import Sequence

import numpy as np

from reasoning_jax.preference.batch import PairBatch
from reasoning_jax.preference.packed import PackedPairs
from reasoning_jax.preference.pairs.encode import PairIds, ResponseIds
from reasoning_jax.preference.scored import ScoredBatch
from reasoning_jax.preference.singles import SingleBatch
from reasoning_jax.text.packing import first_fit_decreasing, pack

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def collate_pairs(pairs: Sequence[PairIds], width: int) -> PairBatch:
    """NumPy PairBatch of the pairs, rows right-padded to ``width`` tokens.

    Raises:
      ValueError: a pair is longer than ``width``.
    """
    sides = [
        [ResponseIds(pair.context, pair.chosen), ResponseIds(pair.context, pair.rejected)]
        for pair in pairs
    ]
    return PairBatch(*_rows(sides, 2, width, "pair"), row_mask=np.ones(len(pairs), bool))


def collate_singles(
    singles: Sequence[ResponseIds], desirable: Sequence[bool], width: int
) -> SingleBatch:
    """NumPy SingleBatch; each row's mismatched response is that of the next other prompt.

    The next in the given order, after the last the first, and none where all prompts are the
    same. It stays the same for all updates, so that its reference is computed once; one that
    would not fit into ``width`` tokens is cut at the end.

    Raises:
      ValueError: a response is longer than ``width``.
    """
    several = len({single.context for single in singles}) > 1
    sides = []
    for row, single in enumerate(singles):
        other = _next_other(singles, row) if several else None
        sides.append([single])
        if other is not None and (room := width - len(single.context)) > 0:
            sides[-1].append(ResponseIds(single.context, other[:room]))
    return SingleBatch(
        *_rows(sides, 2, width, "response"),
        row_mask=np.ones(len(singles), bool),
        desirable=np.asarray(desirable, bool),
    )


def collate_scored(
    groups: Sequence[Sequence[ResponseIds]], scores: Sequence[Sequence[float]], width: int
) -> ScoredBatch:
    """NumPy ScoredBatch of groups of responses; K is that of the largest.

    Raises:
      ValueError: a response is longer than ``width``, or has no score.
    """
    most = max(map(len, groups), default=1)
    there = np.zeros((len(groups), most), bool)
    values = np.zeros((len(groups), most), np.float32)
    for row, (group, of_group) in enumerate(zip(groups, scores, strict=True)):
        if len(group) != len(of_group):
            raise ValueError(f"group {row} has {len(group)} responses, {len(of_group)} scores")
        there[row, : len(group)] = True
        values[row, : len(group)] = of_group
    rows = _rows(groups, most, width, "group")
    return ScoredBatch(*rows, np.ones(len(groups), bool), there, values)


def pack_pairs(pairs: Sequence[PairIds], capacity: int) -> PackedPairs:
    """NumPy PackedPairs: whole pairs first-fit-decreasing into rows of ``capacity`` tokens.

    Raises:
      ValueError: the two sides of a pair together are longer than ``capacity``.
    """
    sizes = [2 * len(p.context) + len(p.chosen) + len(p.rejected) for p in pairs]
    for row, size in enumerate(sizes):
        if size > capacity:
            raise ValueError(
                f"the sides of pair {row} have {size} tokens, more than the {capacity} of a row; "
                "truncate it, drop it or widen the rows"
            )
    bins = first_fit_decreasing(sizes, capacity)
    sequences, masks = [], []
    for pair in pairs:
        for response in (pair.chosen, pair.rejected):
            sequences.append((*pair.context, *response))
            masks.append([False] * len(pair.context) + [True] * len(response))
    sides = [[side for pair in b for side in (2 * pair, 2 * pair + 1)] for b in bins]
    rows = pack(sequences, masks, sides, capacity)
    row_mask = np.zeros((len(bins), max(map(len, bins), default=1)), bool)
    for row, members in enumerate(bins):
        row_mask[row, : len(members)] = True
    return PackedPairs(rows.tokens, rows.segment_ids, rows.loss_mask, row_mask)


def _next_other(singles: Sequence[ResponseIds], row: int) -> tuple[int, ...]:
    """The response of the next row that has another context; there must be one."""
    others = (singles[(row + step) % len(singles)] for step in itertools.count(1))
    return next(other.response for other in others if other.context != singles[row].context)


def _rows(sides: Sequence[Sequence[ResponseIds]], count: int, width: int, what: str) -> Arrays:
    """tokens [N, count, width], lengths [N, count] and mask of responses, zeros where none is."""
    tokens = np.zeros((len(sides), count, width), np.int32)
    mask = np.zeros((len(sides), count, width), bool)
    lengths = np.zeros((len(sides), count), np.int32)
    for row, responses in enumerate(sides):
        for side, response in enumerate(responses):
            ids = (*response.context, *response.response)
            if len(ids) > width:
                raise ValueError(
                    f"{what} {row} has {len(ids)} tokens, more than the {width} of a row; "
                    "truncate it, drop it or widen the rows"
                )
            tokens[row, side, : len(ids)] = ids
            mask[row, side, len(response.context) : len(ids)] = True
            lengths[row, side] = len(ids)
    return tokens, lengths, mask
