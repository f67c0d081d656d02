"""Splits that cannot share a problem: each latent problem belongs to one by a hash of its key."""

import zlib

SPLITS = ("train", "validation", "test")

_BUCKETS = ("validation", "test", *("train",) * 8)


def split_of(key: str) -> str:
    """The split a latent problem belongs to, whatever the seed: 80% train, 10%, 10%."""
    return _BUCKETS[zlib.crc32(key.encode()) % len(_BUCKETS)]


def check_split(split: str) -> None:
    """Raises ValueError naming the valid splits for any other."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")


def check_index(task: str, split: str, index: int, size: int) -> None:
    """Raises IndexError unless 0 <= index < size."""
    if not 0 <= index < size:
        raise IndexError(f"{task} has {size} {split} problems, numbered from 0; got {index}")
