"""Which isolation level holds on this machine: tried out by a self-test before anything runs."""

import functools
import os
import warnings

from reasoning_jax.verify.programs.errors import IsolationError
from reasoning_jax.verify.programs.policy import LEVELS
from reasoning_jax.verify.programs.selftest import self_test

VARIABLE = "REASONING_JAX_ISOLATION"
TRUSTED = ("bubblewrap", "landlock")

_HOW = (
    "Install bubblewrap (Debian and Ubuntu: apt install bubblewrap; it needs user namespaces "
    "unless run as root) or use a kernel with landlock (Linux 5.13 or newer). For programs you "
    f"trust, {VARIABLE}=rlimits allows limits alone, which are no security boundary."
)


def choose(level: str | None = None) -> str:
    """The isolation level to use: the one asked for, else the strongest that holds.

    Each is tried out once per process; limits alone are only used when asked for, with a warning.

    Args:
      level: one of `policy.LEVELS`; None for the environment's REASONING_JAX_ISOLATION, else for
        bubblewrap or landlock.

    Raises:
      IsolationError: when it does not hold, with what failed and what to install.
      ValueError: for an unknown level.
    """
    level = level or os.environ.get(VARIABLE) or None
    if level is None:
        return _strongest()
    if level not in LEVELS:
        raise ValueError(f"unknown isolation level {level!r}: choose one of {', '.join(LEVELS)}")
    if faults := _faults(level):
        raise IsolationError(f"the isolation level {level!r} does not hold: {faults}. {_HOW}")
    return level


def _strongest() -> str:
    faults = {}
    for level in TRUSTED:
        faults[level] = _faults(level)
        if not faults[level]:
            return level
    said = "; ".join(f"{level}: {fault}" for level, fault in faults.items())
    raise IsolationError(f"no isolation for untrusted programs ({said}). {_HOW}")


@functools.cache
def _faults(level: str) -> str:
    """What does not hold, or ""."""
    if level == "rlimits":
        warnings.warn(
            "programs run with limits only: they can read and write what you can, and reach the "
            "network. This is no security boundary.",
            RuntimeWarning,
            stacklevel=4,
        )
    try:
        return ", ".join(self_test(level))
    except IsolationError as error:
        return str(error)
