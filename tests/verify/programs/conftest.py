"""Isolation levels, and the attacks of this folder."""

import pathlib
import shutil
import sys

import pytest

from reasoning_jax.verify.programs import IsolationError, isolation

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def _check(level: str) -> str:
    if level == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    try:
        return isolation.choose(level)
    except IsolationError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=("bubblewrap", "landlock"))
def level(request) -> str:
    """Each isolation level that stands on its own."""
    return _check(request.param)


@pytest.fixture(scope="session")
def strongest() -> str:
    """The level that programs get by default."""
    try:
        return isolation.choose(None)
    except IsolationError as error:
        pytest.skip(str(error))
