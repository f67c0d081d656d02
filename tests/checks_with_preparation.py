"""A module of checks that has something to do before the first one is timed."""

from reasoning_jax.types import Verdict

_READY = []


def prepare() -> None:
    _READY.append(True)


def prepared(_: int) -> Verdict:
    return Verdict(_READY == [True], "prepared")
