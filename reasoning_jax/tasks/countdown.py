"""Reach a target with given numbers: the response is a search, tries first, then an expression."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import evaluate, numerals
from reasoning_jax.tasks.generated import Generated, below, require
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

_EQUATION = re.compile(r"([0-9]{1,20})([-+*/])([0-9]{1,20})=([0-9]{1,20})")


def judge(expression: str | None, numbers: Sequence[int], target: int) -> Verdict:
    """Judges an expression: every number exactly once, exactly the target.

    Reasons: "no_answer" (None), "format" (not an expression of ``+ - * /``), "numbers",
    "different", "exact".
    """
    if expression is None:
        return Verdict(False, "no_answer")
    try:
        value = evaluate(expression)
    except ValueError:
        return Verdict(False, "format", expression)
    if sorted(map(Fraction, numerals(expression))) != sorted(numbers):
        return Verdict(False, "numbers", expression)
    return Verdict(value == target, "exact" if value == target else "different", str(value))


def countdown_reward(expression: str | None, numbers: Sequence[int], target: int) -> float:
    """The reward of TinyZero: 1 right, 0.1 for any answer that is given, 0 for none."""
    verdict = judge(expression, numbers, target)
    return 1.0 if verdict.correct else 0.0 if verdict.reason == "no_answer" else 0.1


@dataclasses.dataclass(frozen=True)
class Try:
    """One way to combine all the numbers."""

    equations: tuple[str, ...]
    expression: str
    value: int


@dataclasses.dataclass(frozen=True)
class Countdown(Generated):
    """``3,5,25=60?`` is answered by tries, one a line, and the expression after ``=>``.

    A try combines two numbers at a time until one is left; ``x`` marks a miss::

        3+5=8,8*25=200x
        25-5=20,20*3=60
        =>(25-5)*3

    Two problems are the same when numbers (in any order) and target are. Every problem can be
    solved with positive whole intermediate values; any exact solution is accepted.

    Attributes:
      count: how many numbers are given.
      max_number: numbers are drawn from 1 .. max_number.
      max_target: targets lie in 1 .. max_target.
      misses: a solution shows at most so many failed tries before the one that succeeds.
    """

    name: ClassVar[str] = "countdown"

    count: int = 3
    max_number: int = 20
    max_target: int = 100
    misses: int = 3

    def __post_init__(self):
        require(2 <= self.count <= 8, self, "count", "in [2, 8]")
        require(1 <= self.max_number <= 100, self, "max_number", "in [1, 100]")
        require(self.max_target >= 1, self, "max_target", "at least 1")
        require(self.misses >= 0, self, "misses", "at least 0")
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return "0123456789+-*/()=,?>x\n"

    def draw(self, random: Random) -> tuple[list[int], Try] | None:
        numbers = [1 + below(random, self.max_number) for _ in range(self.count)]
        solution = _combine(numbers, random)
        return (numbers, solution) if solution.value <= self.max_target else None

    def key(self, latent: tuple[list[int], Try]) -> str:
        numbers, solution = latent
        return f"{sorted(numbers)}={solution.value}"

    def pose(self, latent: tuple[list[int], Try], split: str, random: Random) -> dict[str, Any]:
        numbers, solution = latent
        target = solution.value
        tries = [_combine(numbers, random) for _ in range(below(random, self.misses + 1))]
        lines = [",".join(t.equations) + "x" for t in tries if t.value != target]
        lines += [",".join(solution.equations), f"=>{solution.expression}"]
        return {
            "prompt": f"{','.join(map(str, numbers))}={target}?\n",
            "answer": solution.expression,
            "solution": "\n".join(lines),
            "info": {"numbers": numbers, "target": target},
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judges the line after the last ``=>``; reasons as `judge`."""
        _, arrow, rest = response.rpartition("=>")
        expression = rest.strip().split("\n", 1)[0] if arrow else None
        return judge(expression, problem.info["numbers"], problem.info["target"])

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """A step is a line. Tries do not build on one another, so valid and correct are one.

        A try is correct when its equations hold, use up the numbers at hand, and are marked
        ``x`` exactly when they miss the target; the last line when its expression is right.
        """
        lines = [line.strip() for line in response.strip().splitlines()]
        right = [
            bool(self.grade(problem, line).correct)
            if line.startswith("=>")
            else _try_holds(line, problem.info)
            for line in lines
        ]
        return step_labels(lines, right, right)


def _combine(numbers: Sequence[int], random: Random) -> Try:
    """Combines random pairs by random operations until one positive whole number is left."""
    pool = [(n, str(n)) for n in numbers]
    equations = []
    while len(pool) > 1:
        a, left = pool.pop(below(random, len(pool)))
        b, right = pool.pop(below(random, len(pool)))
        results = {"+": a + b, "*": a * b}
        if a > b:
            results["-"] = a - b
        if a % b == 0:
            results["/"] = a // b
        operator = random.choice(tuple(results))
        equations.append(f"{a}{operator}{b}={results[operator]}")
        pool.append((results[operator], f"({left}{operator}{right})"))
    value, expression = pool[0]
    return Try(tuple(equations), expression[1:-1], value)


def _try_holds(line: str, info: Mapping[str, Any]) -> bool:
    at_hand = list(info["numbers"])
    for text in line.removesuffix("x").split(","):
        equation = _EQUATION.fullmatch(text)
        if equation is None:
            return False
        a, operator, b, result = equation.groups()
        try:
            at_hand.remove(int(a))
            at_hand.remove(int(b))
            holds = evaluate(f"{int(a)}{operator}{int(b)}") == int(result)
        except ValueError:  # a number that is not at hand, or a division by zero
            return False
        if not holds:
            return False
        at_hand.append(int(result))
    return len(at_hand) == 1 and (at_hand[0] != info["target"]) == line.endswith("x")
