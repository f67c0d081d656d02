"""Chains of operations modulo a small number, with every running result spelt out."""

import dataclasses
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS
from reasoning_jax.tasks.generated import Generated, require, require_arithmetic, slip
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

_NUMERALS = {str(n): n for n in range(1_000)}


@dataclasses.dataclass(frozen=True)
class ModChain(Generated):
    """``7+5*4-9=`` is answered ``2,8,9``: left to right, modulo 10, no precedence.

    Training solutions come from a noisy teacher: each step is, with probability `noise`, drawn
    uniformly from the residues, and a wrong value is carried on. A step is then wrong with
    probability p = noise * (modulus - 1) / modulus and a whole demonstration right in all steps
    with (1 - p)^length. The other splits hold clean solutions.

    Attributes:
      length: number of operations, and of steps.
      modulus: residues are 0 .. modulus - 1; at most 1000.
      operations: the operations to draw from, of ``+-*``.
      noise: chance that the teacher draws a step at random.
    """

    name: ClassVar[str] = "modchain"

    length: int = 6
    modulus: int = 10
    operations: str = "+-*"
    noise: float = 0.08

    def __post_init__(self):
        require(self.length >= 1, self, "length", "at least 1")
        require(2 <= self.modulus <= len(_NUMERALS), self, "modulus", "in [2, 1000]")
        require_arithmetic(self)
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return "0123456789" + "".join(OPERATORS) + "=,"

    def draw(self, random: Random) -> tuple[list[int], list[str]]:
        operands = random.choices(range(self.modulus), k=self.length + 1)
        return operands, random.choices(self.operations, k=self.length)

    def key(self, latent: tuple[list[int], list[str]]) -> str:
        operands, operators = latent
        rest = [f"{op}{n}" for op, n in zip(operators, operands[1:])]
        return f"{operands[0]}{''.join(rest)}="

    def pose(
        self, latent: tuple[list[int], list[str]], split: str, random: Random
    ) -> dict[str, Any]:
        operands, operators = latent
        steps = self._run(operands, operators, 0.0, random)
        shown = self._run(operands, operators, self.noise, random) if split == "train" else steps
        return {
            "prompt": self.key(latent),
            "answer": str(steps[-1]),
            "solution": ",".join(map(str, shown)),
            "info": {"operands": operands, "operators": "".join(operators), "steps": steps},
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when well formed and the last of the steps is the answer.

        Reasons: "format" (a step missing, too many, or no residue), "exact", "different".
        """
        steps = _steps(response)
        residues = all(_NUMERALS.get(step, self.modulus) < self.modulus for step in steps)
        if not residues or len(steps) != len(problem.info["steps"]):
            return Verdict(False, "format")
        right = steps[-1] == problem.answer
        return Verdict(right, "exact" if right else "different", steps[-1])

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Correct: the true running result. Valid: follows from the value stated before it.

        The chain ``7+5*4-9=`` answered ``2,7,8`` is correct in [1, 0, 0] and valid in [1, 0, 1].
        """
        steps = _steps(response)
        info = problem.info
        truth = info["steps"]
        stated = [info["operands"][0], *(_NUMERALS.get(step) for step in steps)]
        correct, valid = [], []
        for k, value in enumerate(stated[1:]):
            asked = value is not None and k < len(truth)
            correct.append(asked and value == truth[k])
            valid.append(
                asked and stated[k] is not None and value == self._step(info, k, stated[k])
            )
        return step_labels(steps, correct, valid)

    def _step(self, info: Any, k: int, before: int) -> int:
        return OPERATORS[info["operators"][k]](before, info["operands"][k + 1]) % self.modulus

    def _run(
        self, operands: list[int], operators: list[str], noise: float, random: Random
    ) -> list[int]:
        value, values = operands[0], []
        for operator, operand in zip(operators, operands[1:]):
            value = OPERATORS[operator](value, operand) % self.modulus
            value = slip(value, noise, self.modulus, random) if noise else value
            values.append(value)
        return values


def _steps(response: str) -> list[str]:
    response = response.strip()
    return response.split(",") if response else []
