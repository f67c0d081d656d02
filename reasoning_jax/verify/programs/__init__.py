"""Running programs that nobody trusts: isolation, tests of programs, an interpreter for tools."""

from reasoning_jax.verify.programs.cases import AssertTest, CallTest, StdioTest, Test
from reasoning_jax.verify.programs.errors import IsolationError
from reasoning_jax.verify.programs.isolation import choose
from reasoning_jax.verify.programs.limits import Limits
from reasoning_jax.verify.programs.results import Outcome, ProgramResult
from reasoning_jax.verify.programs.run import program_check, program_verdict, run_program
from reasoning_jax.verify.programs.session import CallResult, Session

__all__ = [
    "AssertTest",
    "CallResult",
    "CallTest",
    "IsolationError",
    "Limits",
    "Outcome",
    "ProgramResult",
    "Session",
    "StdioTest",
    "Test",
    "choose",
    "program_check",
    "program_verdict",
    "run_program",
]
