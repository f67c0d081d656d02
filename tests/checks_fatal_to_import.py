"""A module that ends every process that imports it, but for the tests' own."""

import sys

from reasoning_jax.types import Verdict

if "pytest" not in sys.modules:
    import os

    os._exit(3)


def never(_: int) -> Verdict:
    return Verdict(True, "never")
