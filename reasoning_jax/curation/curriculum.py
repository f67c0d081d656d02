"""Stages of supervised training by how hard a question is (Light-R1, arXiv 2503.10460)."""

from collections.abc import Sequence


def stages_by_passes(
    verified: Sequence[bool], passes: Sequence[int], below: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """The questions of each stage: those with a right teacher answer that few samples solve.

    Args:
      verified: for each question, whether the teacher's answer is right.
      passes: for each question, how many of a small model's samples are right.
      below: for each stage, the number that ``passes`` must stay below; falling, so that every
        stage is a part of the one before.

    Returns:
      Indices of the questions, for each stage.

    Raises:
      ValueError: lists of different lengths, or thresholds that rise.
    """
    if len(verified) != len(passes):
        raise ValueError(f"{len(verified)} verdicts for {len(passes)} counts; give one of each")
    if list(below) != sorted(below, reverse=True):
        raise ValueError(f"below is {tuple(below)}; every stage must be a part of the one before")
    return tuple(
        tuple(i for i, right in enumerate(verified) if right and passes[i] < limit)
        for limit in below
    )
