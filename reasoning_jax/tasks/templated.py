"""Stories answered in SuperCorrect's hierarchical template, slips of the teacher included."""

import dataclasses
import re
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS
from reasoning_jax.tasks.generated import require, slip
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.tasks.wordchain import Chain, WordChain
from reasoning_jax.types import Problem, StepLabels, Verdict

CAUSE = "<Cause>\n"  # opens the analysis of an error, after the step that has it
_STEP = re.compile(r"<Step([0-9]+)>\n(.*?)</Step\1>\n", re.DOTALL)
_EQUATION = re.compile(r"(?:<Key>[^<]*</Key>\n)?(-?[0-9]{1,9})([-+*])([0-9]{1,9})=(-?[0-9]{1,9})\n")
_ANSWER = re.compile(r"<Answer>(-?[0-9]{1,9})</Answer>")


@dataclasses.dataclass(frozen=True)
class TemplatedWordChain(WordChain):
    """``wordchain`` answered in the template of SuperCorrect (arXiv 2410.09008).

    Steps ``<Step1>..</Step1>`` with an equation each, a hint ``<Key>`` in those that multiply,
    the recipe of the whole in ``<Generalized>``, then ``<Answer>``. Of the steps that the noisy
    teacher gets wrong it sees some, and goes on with ``<Cause>..</Cause>`` and the step anew.

    Attributes:
      seen: share of its wrong steps that the teacher corrects; it carries the others on.
    """

    name: ClassVar[str] = "templated_wordchain"

    seen: float = 0.5

    def __post_init__(self):
        require(0 <= self.seen <= 1, self, "seen", "in [0, 1]")
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return "".join(dict.fromkeys(f"{super().alphabet}<>/,SKGAC"))

    def pose(self, latent: Chain, split: str, random: Random) -> dict[str, Any]:
        posed = super().pose(latent, split, random)
        noise = self.noise if split == "train" else 0.0
        return {**posed, "solution": self._template(latent, noise, random)}

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when what stands in the last ``<Answer>`` is the answer.

        Reasons: "no_answer", "exact", "different".
        """
        found = _ANSWER.findall(response)
        if not found:
            return Verdict(False, "no_answer")
        value = str(int(found[-1]))
        right = value == problem.answer
        return Verdict(right, "exact" if right else "different", value)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A step is a ``<Stepk>`` block; one done anew is a step of its own.

        Correct: its equation has the true running result of step k, and its turn has come: a step
        may be done anew only after it was wrong. Valid: it is the operation that is due, worked
        out rightly from the value before.
        """
        info = problem.info
        values = {0: info["start"]}
        found = list(_STEP.finditer(response))
        correct, valid = [], []
        last, expected = -1, {0}
        for block in found:
            k, equation = int(block[1]) - 1, _EQUATION.fullmatch(block[2])
            if equation is None or k not in expected or k >= len(info["steps"]):
                correct.append(False)
                valid.append(False)
                expected = {last, last + 1} - {-1}
                continue
            left, operator, operand, result = equation.groups()
            correct.append(int(result) == info["steps"][k])
            due = (values.get(k), info["operators"][k], info["operands"][k])
            worked = OPERATORS[operator](int(left), int(operand)) == int(result)
            valid.append((int(left), operator, int(operand)) == due and worked)
            values[k + 1] = int(result)
            last, expected = k, {k + 1} if correct[-1] else {k, k + 1}
        return step_labels([block[0] for block in found], correct, valid)

    def correction(self, problem: Problem, index: int) -> tuple[str, str] | None:
        """(cause, step): a perfect teacher's correction of step ``index``, counted from 0.

        Both are what follows ``CAUSE``, up to the end of the step's block. None for a step beyond
        the last, which has no right form.
        """
        info = problem.info
        if index >= len(info["steps"]):
            return None
        before = info["steps"][index - 1] if index else info["start"]
        operator, operand = info["operators"][index], info["operands"][index]
        return _cause(before, operator, operand), _block(
            index, before, operator, operand, info["steps"][index]
        )

    def _template(self, chain: Chain, noise: float, random: Random) -> str:
        value, operators, operands = chain
        pieces = []
        for k, (operator, operand) in enumerate(zip(operators, operands)):
            truth = OPERATORS[operator](value, operand)
            result = slip(truth, noise, self.maximum + 1, random)
            pieces.append(_block(k, value, operator, operand, result))
            if result != truth and random.random() < self.seen:
                pieces.append(CAUSE + _cause(value, operator, operand))
                pieces.append(_block(k, value, operator, operand, truth))
                result = truth
            value = result
        recipe = f"start, then {' '.join(operators)}"
        return "".join(
            (*pieces, f"<Generalized>\n{recipe}\n</Generalized>\n", f"<Answer>{value}</Answer>")
        )


@dataclasses.dataclass(frozen=True)
class Tagged:
    """Steps as blocks ``<Stepk>..</Stepk>``, counted in the order in which they stand."""

    def cut(self, response: str, index: int) -> tuple[str, str]:
        """(what comes before the block, the block); ValueError where there is no such block."""
        blocks = list(_STEP.finditer(response))
        if not 0 <= index < len(blocks):
            raise ValueError(f"step {index} of a response of {len(blocks)} blocks: {response!r}")
        return response[: blocks[index].start()], blocks[index][0]

    def first(self, continuation: str, index: int) -> str:
        """Everything up to the end of the first block; "" where there is none."""
        block = _STEP.search(continuation)
        return continuation[: block.end()] if block else ""


def _cause(value: int, operator: str, operand: int) -> str:
    return f"it is {value}{operator}{operand}\n</Cause>\n"


def _block(k: int, value: int, operator: str, operand: int, result: int) -> str:
    key = "<Key>times</Key>\n" if operator == "*" else ""
    return f"<Step{k + 1}>\n{key}{value}{operator}{operand}={result}\n</Step{k + 1}>\n"
