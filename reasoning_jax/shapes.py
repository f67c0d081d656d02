"""Few shapes, so that few programs are compiled."""


def bucket(size: int, smallest: int = 16, largest_step: int = 256) -> int:
    """The next length to pad to: powers of two, then multiples of ``largest_step``."""
    length = smallest
    while length < min(size, largest_step):
        length *= 2
    return length if length >= size else -(-size // largest_step) * largest_step
