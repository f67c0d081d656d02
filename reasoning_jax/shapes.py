"""Few shapes, so that few programs are compiled."""


def bucket(size: int, smallest: int = 16, largest_step: int = 256) -> int:
    """The next length to pad to: powers of two, then multiples of ``largest_step``."""
    length = smallest
    while length < min(size, largest_step):
        length *= 2
    return length if length >= size else -(-size // largest_step) * largest_step


def width(size: int, smallest: int = 16) -> int:
    """The next number of columns to pad a batch to, finer than `bucket`.

    Powers of two with one length half-way between, then multiples of 256: an update costs what
    its columns do, so that it is worth twice as many programs to compute less padding.
    """
    length = bucket(size, smallest)
    between = length // 4 * 3
    return between if smallest < size <= between and length <= 256 else length
