"""Chains of operations on numbers too large for a small model to work out, but not to copy."""

import dataclasses
import re
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS, evaluate
from reasoning_jax.tasks.generated import Generated, below, require, require_arithmetic
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

WAYS = ("calls", "alone", "mixed")

_NUMBER = re.compile(r"-?[0-9]{1,60}")
# A call with the result that may stand after it, a value that is spelt out, or the answer.
_STEP = re.compile(r"\{([^{}]*)\}(?:[^{};=]*;)?|([^{};=]*);|=(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class BigChain(Generated):
    """``483*729+562=`` is answered ``=352669``: left to right, no precedence.

    Solutions state every running result, by a call of a calculator or without one::

        {483*729}352107;{352107+562}352669;=352669
        352107;352669;=352669

    What stands between ``}`` and ``;`` is the calculator's. Training solutions come from a
    noisy teacher: in each step one digit of the operand is, with probability `noise`, drawn
    anew, and the wrong result is carried on. The other splits hold clean solutions.

    Attributes:
      length: number of operations.
      digits: operands have at most so many digits, 1 to 6.
      operations: the operations to draw from, of ``+-*``.
      noise: chance that the teacher draws a digit of an operand at random.
      way: how solutions come to their results, "calls" or "alone"; "mixed" decides by the flip
        of a coin at every step, so that what is called and what is worked out is left to learn.
    """

    name: ClassVar[str] = "bigchain"

    length: int = 2
    digits: int = 3
    operations: str = "+-*"
    noise: float = 0.1
    way: str = "calls"

    def __post_init__(self):
        require(1 <= self.length <= 8, self, "length", "in [1, 8]")
        require(1 <= self.digits <= 6, self, "digits", "in [1, 6]")
        require(self.way in WAYS, self, "way", f"one of {', '.join(WAYS)}")
        require_arithmetic(self)
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return "0123456789" + "".join(OPERATORS) + "={};?"

    def draw(self, random: Random) -> tuple[list[int], list[str]]:
        operands = [below(random, 10**self.digits) for _ in range(self.length + 1)]
        return operands, random.choices(self.operations, k=self.length)

    def key(self, latent: tuple[list[int], list[str]]) -> str:
        operands, operators = latent
        rest = [f"{op}{n}" for op, n in zip(operators, operands[1:])]
        return f"{operands[0]}{''.join(rest)}="

    def pose(
        self, latent: tuple[list[int], list[str]], split: str, random: Random
    ) -> dict[str, Any]:
        operands, operators = latent
        noise = self.noise if split == "train" else 0.0
        value, truth, pieces = operands[0], [operands[0]], []
        for operator, operand in zip(operators, operands[1:]):
            truth.append(OPERATORS[operator](truth[-1], operand))
            shown = _misread(operand, random) if noise and random.random() < noise else operand
            calls = self.way == "calls" or (self.way == "mixed" and random.random() < 0.5)
            call = f"{{{value}{operator}{shown}}}" if calls else ""
            value = OPERATORS[operator](value, shown)
            pieces.append(f"{call}{value};")
        return {
            "prompt": self.key(latent),
            "answer": str(truth[-1]),
            "solution": "".join(pieces) + f"={value}",
            "info": {"operands": operands, "operators": "".join(operators), "steps": truth[1:]},
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when the number after the last ``=`` is the answer.

        Reasons: "no_answer", "format" (not a number), "exact", "different".
        """
        _, mark, answer = response.rpartition("=")
        if not mark:
            return Verdict(False, "no_answer")
        if not _NUMBER.fullmatch(answer):
            return Verdict(False, "format")
        value = str(int(answer))
        right = value == problem.answer
        return Verdict(right, "exact" if right else "different", value)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A step is a call (its value is what it asks for), a value spelt out, or the answer.

        Correct: the true running result. Valid: follows from the value before it, by the
        operation that is due; an answer, by being that value.
        """
        found = list(_STEP.finditer(response))
        operands, operators = problem.info["operands"], problem.info["operators"]
        truth, before = problem.info["steps"], operands[0]
        correct, valid = [], []
        for k, step in enumerate(found):
            value = _value(step)
            if step[3] is not None:
                correct.append(value is not None and value == truth[-1])
                valid.append(value is not None and value == before)
            else:
                due = value is not None and before is not None and k < len(truth)
                correct.append(due and value == truth[k])
                valid.append(due and value == OPERATORS[operators[k]](before, operands[k + 1]))
            before = value
        return step_labels([step[0] for step in found], correct, valid)


def _misread(operand: int, random: Random) -> int:
    """The operand with one of its digits drawn anew."""
    digits = list(str(operand))
    digits[below(random, len(digits))] = str(below(random, 10))
    return int("".join(digits))


def _value(step: re.Match) -> int | None:
    call, spelt, answer = step.groups()
    if call is None:
        text = spelt if answer is None else answer
        return int(text) if _NUMBER.fullmatch(text) else None
    try:
        value = evaluate(call)
    except ValueError:
        return None
    return int(value) if value.denominator == 1 else None
