"""Chains of large numbers by programs that are run, verified and written anew where wrong."""

import dataclasses
import re
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import evaluate
from reasoning_jax.tasks.bigchain import BigChain
from reasoning_jax.tasks.generated import below, require
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

# A call, what the model writes after its result, and the mark it concludes with.
_STAGE = re.compile(r"\{([^{}]*)\}([^{}!~]*)([!~]?)")
CORRECT, WRONG = "!", "~"


@dataclasses.dataclass(frozen=True)
class SelfCorrection(BigChain):
    """``12+3*4=`` is answered in stages, in the manner of CoSC (arXiv 2410.10735).

    A stage is a program for the calculator, ``{((12+3)*4)}``, what it gives, ``60;``, a
    verification that reads the program back as far as it agrees with the question, and a
    conclusion: ``12+3*4!`` when all of it does, ``12+~`` at the first character that does not. A
    wrong stage is followed by another, a right one ends the trajectory with ``=60``. Worked
    solutions of the training split misread an operand of a stage with chance ``noise``, see it in
    their verification and end rightly. Needs tools with the delimiters of configs/cosc.py.

    Attributes:
      stages: most stages of a worked solution.
      rounds: stages that a response is graded by: the first that concludes correct counts, else
        the last of so many.
    """

    name: ClassVar[str] = "self_correction"

    stages: int = 3
    rounds: int = 3
    length: int = 2
    noise: float = 0.3

    def __post_init__(self):
        require(self.stages >= 1, self, "stages", "at least 1")
        require(self.rounds >= 1, self, "rounds", "at least 1")
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return "".join(dict.fromkeys(f"{super().alphabet}(){CORRECT}{WRONG}"))

    def pose(
        self, latent: tuple[list[int], list[str]], split: str, random: Random
    ) -> dict[str, Any]:
        posed = super().pose(latent, split, random)
        operands, operators = latent
        noise = self.noise if split == "train" else 0.0
        question = self.key(latent).rstrip("=")
        pieces = []
        for _ in range(self.stages - 1):
            if random.random() >= noise:
                break
            misread = _misread(operands, random)
            if misread != operands:
                pieces.append(_stage(question, misread, operators))
        pieces.append(_stage(question, operands, operators))
        solution = "".join(pieces) + f"={posed['answer']}"
        return {**posed, "solution": solution}

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when the program of the stage that counts gives the answer.

        The path is "verified" where that stage concludes correct, else "budget". Reasons:
        "no_answer" (no stage), "format" (no program), "exact", "different".
        """
        stages = _STAGE.findall(response)[: self.rounds]
        if not stages:
            return Verdict(False, "no_answer")
        decisive = next((stage for stage in stages if stage[2] == CORRECT), stages[-1])
        path = "verified" if decisive[2] == CORRECT else "budget"
        value = _value(decisive[0])
        if value is None:
            return Verdict(False, "format", path=path)
        right = value == problem.answer
        return Verdict(right, "exact" if right else "different", value, path)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A step is a stage. Correct: its program gives the answer. Valid: it concludes so."""
        found = list(_STAGE.finditer(response))
        correct = [_value(stage[1]) == problem.answer for stage in found]
        valid = [stage[3] == (CORRECT if right else WRONG) for stage, right in zip(found, correct)]
        return step_labels([stage[0] for stage in found], correct, valid)


def _stage(question: str, operands: list[int], operators: list[str]) -> str:
    """Program, result, verification and conclusion."""
    program, read = str(operands[0]), str(operands[0])
    for operator, operand in zip(operators, operands[1:]):
        program = f"({program}{operator}{operand})"
        read += f"{operator}{operand}"
    same = 0
    while same < min(len(read), len(question)) and read[same] == question[same]:
        same += 1
    ending = CORRECT if read == question else WRONG
    return f"{{{program}}}{evaluate(program)};{question[:same]}{ending}"


def _misread(operands: list[int], random: Random) -> list[int]:
    """The operands with one digit of one of them drawn anew."""
    place = below(random, len(operands))
    digits = list(str(operands[place]))
    digits[below(random, len(digits))] = str(below(random, 10))
    return [*operands[:place], int("".join(digits)), *operands[place + 1 :]]


def _value(program: str) -> str | None:
    try:
        return str(evaluate(program))
    except ValueError:
        return None
