"""``python -m reasoning_jax.verify.programs``: this machine's isolation levels and their speed."""

import time
import warnings

from reasoning_jax.verify.programs import (
    AssertTest,
    CallTest,
    IsolationError,
    StdioTest,
    run_program,
    selftest,
)
from reasoning_jax.verify.programs.policy import LEVELS

REPEATS = 200
SOURCE = """
def add(a, b):
    return a + b
if __name__ == "__main__":
    print(add(*map(int, input().split())))
"""
TESTS = {
    "stdio": StdioTest("1 2", "3"),
    "call": CallTest.of("add", [1, 2], 3),
    "assert": AssertTest("assert add(1, 2) == 3"),
}


def main() -> None:
    """Prints a line for each level: what its self-test found, and tests per second of a kind."""
    warnings.simplefilter("ignore", RuntimeWarning)
    for level in LEVELS:
        try:
            faults = selftest.self_test(level)
        except IsolationError as error:
            faults = [str(error)]
        if faults:
            print(f"{level}: does not hold: {', '.join(faults)}")
            continue
        speeds = (f"{name} {_per_second(level, test):.0f}" for name, test in TESTS.items())
        print(f"{level}: holds; tests/s: {', '.join(speeds)}")
    print("limits alone (rlimits) are no security boundary")


def _per_second(level: str, test: StdioTest | CallTest | AssertTest) -> float:
    run_program(SOURCE, [test], level=level)
    start = time.monotonic()
    result = run_program(SOURCE, [test] * REPEATS, level=level)
    if not result.passed:
        raise RuntimeError(f"an honest program fails at {level}: {result.reason}")
    return REPEATS / (time.monotonic() - start)


if __name__ == "__main__":
    main()
