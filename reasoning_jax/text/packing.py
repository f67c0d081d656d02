"""Several sequences to a row of fixed length: which go together, and the arrays of the rows."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class PackedRows:
    """N rows of C tokens, each a run of segments and then padding.

    Attributes:
      tokens: [N, C] int32, 0 in padding.
      segment_ids: [N, C] int32, 1, 2, ... within a row, 0 in padding.
      positions: [N, C] int32 from 0 in every segment, 0 in padding.
      loss_mask: [N, C] bool in the target frame: True where the token is a trained token of its
        sequence and has a predecessor in it. The input position that predicts it is one before.
    """

    tokens: np.ndarray
    segment_ids: np.ndarray
    positions: np.ndarray
    loss_mask: np.ndarray


def first_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Bins of indices: longest sequence first, each into the first bin with room for it.

    Of equal lengths the earlier index goes first; a bin lists its indices as they were put in.

    Raises:
      ValueError: a length is below 1 or above ``capacity``.
    """
    lengths = _checked(lengths, capacity)
    bin_of = np.empty(len(lengths), np.int64)
    free = np.empty(0, np.int64)
    # Equal lengths fill one bin after another, so a whole length is placed at once.
    for length in np.unique(lengths)[::-1]:
        items = np.flatnonzero(lengths == length)
        spare = np.full(-(-len(items) // (capacity // length)), capacity)
        fits = np.cumsum(np.concatenate([free, spare]) // length)
        bin_of[items] = np.searchsorted(fits, np.arange(len(items)), side="right")
        opened = max(len(free), bin_of[items[-1]] + 1)
        free = np.concatenate([free, spare])[:opened]
        free -= length * np.bincount(bin_of[items], minlength=opened)

    bins = [[] for _ in free]
    for index in np.argsort(-lengths, kind="stable"):
        bins[bin_of[index]].append(int(index))
    return bins


def sequential(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Bins of indices in order: a new bin whenever the next sequence does not fit.

    Raises:
      ValueError: a length is below 1 or above ``capacity``.
    """
    bins: list[list[int]] = []
    free = 0
    for index, length in enumerate(_checked(lengths, capacity).tolist()):
        if length > free:
            bins.append([])
            free = capacity
        bins[-1].append(index)
        free -= length
    return bins


def pack(
    sequences: Sequence[Sequence[int]],
    loss_masks: Sequence[Sequence[bool]],
    bins: Sequence[Sequence[int]],
    capacity: int,
) -> PackedRows:
    """One row of ``capacity`` tokens per bin, its sequences in the order of the bin.

    Args:
      sequences: token ids of each sequence.
      loss_masks: for each sequence, whether each of its tokens is trained.
      bins: indices into ``sequences``; those in no bin are left out.
      capacity: tokens of a row.

    Raises:
      ValueError: a sequence is empty or too long, its mask has another length, or a bin holds
        more than ``capacity`` tokens.
    """
    lengths = _checked([len(sequence) for sequence in sequences], capacity)
    for index, (length, loss_mask) in enumerate(zip(lengths, loss_masks, strict=True)):
        if len(loss_mask) != length:
            raise ValueError(
                f"loss mask {index} has length {len(loss_mask)} for {length} tokens; "
                "give one value per token"
            )
    rows = PackedRows(
        tokens=np.zeros((len(bins), capacity), np.int32),
        segment_ids=np.zeros((len(bins), capacity), np.int32),
        positions=np.zeros((len(bins), capacity), np.int32),
        loss_mask=np.zeros((len(bins), capacity), bool),
    )
    for row, members in enumerate(bins):
        held = sum(lengths[index] for index in members)
        if held > capacity:
            raise ValueError(
                f"bin {row} holds {held} tokens, more than the capacity {capacity}; "
                "make the bins with the same capacity"
            )
        start = 0
        for segment, index in enumerate(members, start=1):
            place = row, slice(start, start + lengths[index])
            rows.tokens[place] = sequences[index]
            rows.segment_ids[place] = segment
            rows.positions[place] = np.arange(lengths[index])
            rows.loss_mask[place] = loss_masks[index]
            rows.loss_mask[row, start] = False  # nothing in its own segment predicts it
            start += lengths[index]
    return rows


def _checked(lengths: Sequence[int], capacity: int) -> np.ndarray:
    lengths = np.asarray(lengths, np.int64)
    unfit = np.flatnonzero((lengths < 1) | (lengths > capacity))
    if unfit.size:
        index = unfit[0]
        raise ValueError(
            f"sequence {index} has length {lengths[index]}, which is not between 1 and the "
            f"capacity {capacity}; cut it, drop it or raise the capacity"
        )
    return lengths
