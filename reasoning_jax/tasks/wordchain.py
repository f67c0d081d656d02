"""Short stories about counting things, over the same kind of latent chain as `modchain`."""

import dataclasses
import re
import string
from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS
from reasoning_jax.tasks.generated import Generated, below, require, require_arithmetic, slip
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict
from reasoning_jax.verify import after_hashes, compare

PEOPLE = {
    "she": ("ann", "dee", "eva", "fay", "ivy", "kim"),
    "he": ("bob", "cal", "gus", "hal", "jon", "leo"),
}
THINGS = (
    *("apples", "coins", "eggs", "books", "pens", "stamps"),
    *("bags of rice", "litres of milk", "metres of rope", "boxes of nails"),
)
STORIES = {
    "+": ("{who} buys {n} more.", "{who} finds {n} more.", "a friend brings {n} more."),
    "-": ("{who} gives away {n}.", "{who} loses {n}.", "{who} sells {n}."),
    "*": ("then there are {n} times as many.", "{who} swaps each one for {n}."),
}
QUESTIONS = (
    "how many {things} does {name} have now?",
    "how many {things} are left for {name} in the end?",
)
MAX_FACTOR = 5  # of a multiplication

_EQUATION = re.compile(r"(-?[0-9]{1,9})([-+*])([0-9]{1,9})=(-?[0-9]{1,9})")
_FINAL = re.compile(r"#### (-?[0-9]{1,9})")

Chain = tuple[int, list[str], list[int]]  # start, operators, operands


@dataclasses.dataclass(frozen=True)
class WordChain(Generated):
    """ "ann has 3 apples. she buys 4 more. ..." answered by one equation a line and ``#### 7``.

    Two problems are the same when their chains of numbers are, whatever the story. Training
    solutions come from a noisy teacher: each result is, with probability `noise`, drawn
    uniformly from 0 .. maximum, and a wrong value is carried on.

    Attributes:
      length: number of operations, and of equations.
      maximum: no true running value is above it, none below zero.
      operations: the operations to draw from, of ``+-*``.
      noise: chance that the teacher draws a result at random.
    """

    name: ClassVar[str] = "wordchain"

    length: int = 4
    maximum: int = 50
    operations: str = "+-*"
    noise: float = 0.08

    def __post_init__(self):
        require(self.length >= 1, self, "length", "at least 1")
        require(2 <= self.maximum <= 10_000, self, "maximum", "in [2, 10000]")
        require_arithmetic(self)
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return string.ascii_lowercase + string.digits + "+-*=# .?\n"

    def draw(self, random: Random) -> Chain | None:
        value = start = 2 + below(random, self.maximum - 1)
        operators, operands = [], []
        for _ in range(self.length):
            # How many operands keep the running value in [0, maximum].
            choices = {
                "+": self.maximum - value,
                "-": value,
                "*": min(MAX_FACTOR, self.maximum // value) - 1 if value else 0,
            }
            possible = [op for op in self.operations if choices[op] > 0]
            if not possible:
                return None
            operator = random.choice(possible)
            operand = 1 + below(random, choices[operator]) + (operator == "*")
            value = OPERATORS[operator](value, operand)
            operators.append(operator)
            operands.append(operand)
        return start, operators, operands

    def key(self, latent: Chain) -> str:
        start, operators, operands = latent
        return f"{start}" + "".join(f"{op}{n}" for op, n in zip(operators, operands))

    def pose(self, latent: Chain, split: str, random: Random) -> dict[str, Any]:
        start, operators, operands = latent
        who = random.choice(tuple(PEOPLE))
        words = {"who": who, "name": random.choice(PEOPLE[who]), "things": random.choice(THINGS)}
        sentences = [
            "{name} has {n} {things}.".format(n=start, **words),
            *(
                random.choice(STORIES[op]).format(n=n, **words)
                for op, n in zip(operators, operands)
            ),
            random.choice(QUESTIONS).format(**words),
        ]
        clean, steps = self._solve(latent, 0.0, random)
        solution = self._solve(latent, self.noise, random)[0] if split == "train" else clean
        return {
            "prompt": " ".join(sentences) + "\n",
            "answer": str(steps[-1]),
            "solution": solution,
            "info": {
                "start": start,
                "operators": "".join(operators),
                "operands": operands,
                "steps": steps,
            },
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judges the number after ``####``; reasons as `reasoning_jax.verify.compare`."""
        return compare(after_hashes(response), problem.answer)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A step is a line. Correct: its result is the true running value (last line: the answer).

        Valid: it applies the story's next operation to the value stated before it, without a
        slip; the last line is valid when it repeats the value stated before it.
        """
        info = problem.info
        lines = [line.strip() for line in response.strip().splitlines()]
        before: int | None = info["start"]
        correct, valid = [], []
        for k, line in enumerate(lines):
            equation, final = _EQUATION.fullmatch(line), _FINAL.fullmatch(line)
            if equation and k < len(info["steps"]):
                left, operator, operand, result = equation.groups()
                value = int(result)
                correct.append(value == info["steps"][k])
                valid.append(
                    (int(left), operator, int(operand))
                    == (before, info["operators"][k], info["operands"][k])
                    and value == OPERATORS[operator](int(left), int(operand))
                )
            else:
                value = int(final[1]) if final and k == len(info["steps"]) else None
                correct.append(value == info["steps"][-1])
                valid.append(value is not None and value == before)
            before = value
        return step_labels(lines, correct, valid)

    def _solve(self, chain: Chain, noise: float, random: Random) -> tuple[str, Sequence[int]]:
        value, operators, operands = chain
        lines, values = [], []
        for operator, operand in zip(operators, operands):
            result = slip(OPERATORS[operator](value, operand), noise, self.maximum + 1, random)
            lines.append(f"{value}{operator}{operand}={result}")
            values.append(value := result)
        return "\n".join([*lines, f"#### {value}"]), values
