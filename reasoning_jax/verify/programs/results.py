"""What came of a program and its tests."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one test.

    Attributes:
      passed: True, False, or None when the test itself cannot be judged.
      reason: "passed"; "wrong_output" (of stdout), "wrong_value" (of a call), "failed_assert";
        "exception:<Type>", "syntax_error", "no_function", "exit_code"; "early_exit" (ended before
        it answered), "bad_reply", "unsupported_value"; "timeout" (CPU or wall), "memory",
        "output_limit", "file_limit", "crash" (a signal). With ``passed`` None: "broken_test" and
        "sandbox_lost".
      detail: for people, at most a few hundred characters.
      cpu_seconds: processor time of the program.
    """

    passed: bool | None
    reason: str
    detail: str = ""
    cpu_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class ProgramResult:
    """What came of all tests.

    Attributes:
      passed: True when every test passed, False when one failed, else None.
      outcomes: one for each test that ran, in order.
      isolation: the level that held: "bubblewrap", "landlock" or "rlimits".
    """

    passed: bool | None
    outcomes: tuple[Outcome, ...]
    isolation: str

    @property
    def reason(self) -> str:
        """The reason of the first test that decided, or "passed"."""
        return decisive(self.outcomes).reason


def decisive(outcomes: tuple[Outcome, ...]) -> Outcome:
    """The outcome that fixes the verdict: the first failure, else the first unjudged, else a pass.

    A program without any test cannot be judged.
    """
    for passed in (False, None):
        for outcome in outcomes:
            if outcome.passed is passed:
                return outcome
    return outcomes[0] if outcomes else Outcome(None, "no_tests")
