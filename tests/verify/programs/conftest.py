"""Isolation levels, and the attacks of this folder."""

import pathlib
import sys

import pytest

from reasoning_jax.verify.programs import IsolationError, isolation

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def _choose(level: str | None) -> str:
    try:
        return isolation.choose(level)
    except IsolationError as error:
        pytest.skip(str(error))


@pytest.fixture(
    scope="session",
    params=(None, pytest.param("landlock", marks=pytest.mark.slow)),
    ids=("strongest", "landlock"),
)
def level(request) -> str:
    """The isolation level that programs get by default; with the slow tests, the other one too."""
    return _choose(request.param)


@pytest.fixture(scope="session", params=("bubblewrap", "landlock"))
def each_level(request) -> str:
    """Each isolation level that holds here."""
    return _choose(request.param)
