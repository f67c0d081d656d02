"""Programs for chains of operations, put to tests: code beside the mathematics of `modchain`."""

import dataclasses
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS, evaluate
from reasoning_jax.tasks.generated import Generated, below, require, require_arithmetic
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

_DIGITS = 10
_MOST = 20  # operations, so that a program stays short enough to run


@dataclasses.dataclass(frozen=True)
class CodeChain(Generated):
    """``x+3*2:`` is answered ``((x+3)*2)``: an expression that does the operations one by one.

    It is run on the inputs of ``info["tests"]`` and right where it passes all of them. The teacher
    of the training split misreads each operand with chance ``noise``.

    Attributes:
      length: number of operations.
      operations: the operations to draw from, of ``+-*``.
      tests: inputs that a program is run on.
      noise: chance that the teacher draws an operand at random.
    """

    name: ClassVar[str] = "codechain"

    length: int = 4
    operations: str = "+-*"
    tests: int = 4
    noise: float = 0.08

    def __post_init__(self):
        require(1 <= self.length <= _MOST, self, "length", f"in [1, {_MOST}]")
        require(self.tests >= 1, self, "tests", "at least 1")
        require_arithmetic(self)
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return "0123456789" + "".join(OPERATORS) + "x():"

    def draw(self, random: Random) -> tuple[tuple[str, int], ...]:
        operators = random.choices(self.operations, k=self.length)
        return tuple((operator, below(random, _DIGITS)) for operator in operators)

    def key(self, latent: tuple[tuple[str, int], ...]) -> str:
        return "x" + "".join(f"{operator}{operand}" for operator, operand in latent) + ":"

    def pose(
        self, latent: tuple[tuple[str, int], ...], split: str, random: Random
    ) -> dict[str, Any]:
        shown = [
            (operator, below(random, _DIGITS) if random.random() < noise else operand)
            for noise in (self.noise if split == "train" else 0.0,)
            for operator, operand in latent
        ]
        # Small and large inputs, below 0 too: a program that agrees on all of them is another
        # spelling of the same.
        inputs = [random.randrange(-50, 100) for _ in range(self.tests)]
        answer = _program(latent)
        return {
            "prompt": self.key(latent),
            "answer": answer,
            "solution": _program(shown),
            "info": {"tests": [[x, _run(answer, x)] for x in inputs]},
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Runs the program on every test.

        Reasons: "format" (no expression of x), "tests" (a test fails), "exact".
        """
        try:
            passed = [_run(response, x) == wanted for x, wanted in problem.info["tests"]]
        except ValueError:
            return Verdict(False, "format")
        right = all(passed)
        return Verdict(right, "exact" if right else "tests", response.strip())

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A program is one step, as right as its tests say."""
        right = self.grade(problem, response).correct is True
        steps = [response.strip()] if response.strip() else []
        return step_labels(steps, [right] * len(steps), [right] * len(steps))


def _program(operations: Any) -> str:
    program = "x"
    for operator, operand in operations:
        program = f"({program}{operator}{operand})"
    return program


def _run(program: str, x: int) -> int:
    """The value of an expression at x; ValueError where it is none or not whole."""
    program = program.strip()
    if "x" not in program:
        raise ValueError(f"{program!r} is no expression of x")
    value = evaluate(program.replace("x", f"({x})"))
    if value.denominator != 1:
        raise ValueError(f"{program!r} is {value} at {x}, not a whole number")
    return int(value)
