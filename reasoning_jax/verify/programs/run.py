"""Running a program on its tests."""

import time
from collections.abc import Iterator, Sequence

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.programs import isolation, runners, warm
from reasoning_jax.verify.programs.cases import AssertTest, CallTest, StdioTest, Test
from reasoning_jax.verify.programs.limits import Limits
from reasoning_jax.verify.programs.results import Outcome, ProgramResult, decisive
from reasoning_jax.verify.programs.sandbox import SandboxLost

DEFAULT = Limits()
CHECK_SECONDS = 120.0  # beyond the time of its tests, until a check is given up


def run_program(
    source: str, tests: Sequence[Test], limits: Limits = DEFAULT, level: str | None = None
) -> ProgramResult:
    """Runs a Python program on every test, each in a fresh process of a sandbox.

    Never raises for what the program does.

    Args:
      source: the program.
      tests: what it must do.
      limits: bounds of each test.
      level: the isolation level; None for what `isolation.choose` finds.

    Raises:
      IsolationError: when no sufficient isolation holds on this machine.
      TypeError: for a test of none of the three kinds.
    """
    level = isolation.choose(level)
    outcomes = tuple(_outcomes(source, tests, limits, level))
    return ProgramResult(decisive(outcomes).passed, outcomes, level)


def program_verdict(
    source: str, tests: tuple[Test, ...], limits: Limits = DEFAULT, total_seconds: float = 60.0
) -> Verdict:
    """Judges a program: right when it passes every test. Stops at the first that it fails.

    The reason is that of `ProgramResult`; a program that needs more than `total_seconds` by the
    clock for all tests is wrong, by "timeout".
    """
    deadline = time.monotonic() + total_seconds
    outcomes = []
    for outcome in _outcomes(source, tests, limits, isolation.choose(None)):
        outcomes.append(outcome)
        if outcome.passed is False:
            break
        if time.monotonic() > deadline:
            outcomes.append(Outcome(False, "timeout", "all tests together"))
            break
    outcome = decisive(tuple(outcomes))
    return Verdict(outcome.passed, outcome.reason)


def program_check(
    source: str, tests: Sequence[Test], limits: Limits = DEFAULT, total_seconds: float = 60.0
) -> Check:
    """`program_verdict` as a check for the pool, whose bounds leave room for those of the tests."""
    return Check(
        program_verdict,
        (source, tuple(tests), limits, total_seconds),
        cpu_seconds=total_seconds,
        wall_seconds=total_seconds + limits.wall_seconds + CHECK_SECONDS,
    )


def prepare() -> None:
    """What a pool does once before its workers run checks of this module."""
    isolation.choose(None)
    # Each worker keeps sandboxes of its own.
    warm.close_all()


def _outcomes(source: str, tests: Sequence[Test], limits: Limits, level: str) -> Iterator[Outcome]:
    for test in tests:
        try:
            yield _put(source, test, limits, level)
        except SandboxLost:
            # Whatever ended the sandbox may have come from outside: once more in a fresh one.
            try:
                yield _put(source, test, limits, level)
            except SandboxLost as error:
                yield Outcome(None, "sandbox_lost", str(error))


def _put(source: str, test: Test, limits: Limits, level: str) -> Outcome:
    with warm.borrowed(level) as sandbox:
        match test:
            case StdioTest():
                return runners.stdio(sandbox, source, test, limits)
            case CallTest():
                return runners.call(sandbox, source, test, limits)
            case AssertTest():
                with warm.borrowed(level) as examiner:
                    return runners.assertions(sandbox, examiner, source, test, limits)
    raise TypeError(f"expected a StdioTest, CallTest or AssertTest, got {type(test).__name__}")
