"""The memory of a process whose loop has settled: what is looked through, what is free."""

import contextlib
import ctypes
import gc
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def small_heap() -> Iterator[Callable[[], None]]:
    """Gives ``set_aside()``: what is there is kept, unseen by the collector, until the end.

    Completions of a step are objects by the thousand, so that every few steps all objects are
    looked through for garbage. Those of modules and compiled programs, some 300,000, make that a
    quarter of a second. Call it once they are there; what they took to make is given back.
    """

    def set_aside() -> None:
        gc.collect()
        gc.freeze()
        give_back()

    try:
        yield set_aside
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Returns free memory to the machine, where malloc can: compiling leaves half a gigabyte."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
