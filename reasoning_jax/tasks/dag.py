"""Named quantities defined by one another in shuffled order, one asked for (as iGSM, smaller)."""

import dataclasses
import re
import string
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.arithmetic import OPERATORS
from reasoning_jax.tasks.generated import Generated, below, require, require_arithmetic, slip
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

_DEFINITION = re.compile(r"([a-z]|[0-9]+)(?:([-+*])([a-z]|[0-9]+))?")
_STEP = re.compile(r"([a-z])=(?:([^=]+)=)?([0-9]{1,3})")


@dataclasses.dataclass(frozen=True)
class Dag(Generated):
    """``c=a*4;a=5;b=a+c;d=7;b?`` is answered ``a=5;c=a*4=20;b=a+c=2`` (modulo 23).

    The response states what the question needs and nothing else, each after what it depends on.
    Two problems are the same when they differ by the names or the order of the definitions
    only. After iGSM (Ye et al. 2024, arXiv 2407.20311), with one operation a definition.

    Attributes:
      min_variables, max_variables: how many variables are defined.
      modulus: values are 0 .. modulus - 1; at most 1000.
      operations: the operations to draw from, of ``+-*``.
      noise: chance that a training solution states a value drawn uniformly, and carries it on.
    """

    name: ClassVar[str] = "dag"

    min_variables: int = 4
    max_variables: int = 8
    modulus: int = 23
    operations: str = "+-*"
    noise: float = 0.0

    def __post_init__(self):
        require(self.min_variables >= 2, self, "min_variables", "at least 2")
        require(
            self.min_variables <= self.max_variables <= len(string.ascii_lowercase),
            self,
            "max_variables",
            f"in [min_variables={self.min_variables}, 26]",
        )
        require(2 <= self.modulus <= 1_000, self, "modulus", "in [2, 1000]")
        require_arithmetic(self)
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return string.ascii_lowercase + string.digits + "".join(OPERATORS) + "=;?"

    def draw(self, random: Random) -> tuple[str, ...]:
        """Definitions of a, b, c, ... in topological order; the last one is asked for."""
        extra = below(random, self.max_variables - self.min_variables + 1)
        count = self.min_variables + extra
        definitions = []
        for k in range(count):
            earlier = string.ascii_lowercase[:k]
            if k == 0 or (k < count - 1 and below(random, 4) == 0):
                definitions.append(str(below(random, self.modulus)))
                continue
            left, operator = random.choice(earlier), random.choice(self.operations)
            plain = below(random, 3) == 0
            right = str(below(random, self.modulus)) if plain else random.choice(earlier)
            definitions.append(left + operator + right)
        return tuple(definitions)

    def key(self, latent: tuple[str, ...]) -> str:
        return ";".join(latent)

    def pose(self, latent: tuple[str, ...], split: str, random: Random) -> dict[str, Any]:
        names = random.sample(string.ascii_lowercase, len(latent))
        renamed = str.maketrans(dict(zip(string.ascii_lowercase, names)))
        definitions = {name: text.translate(renamed) for name, text in zip(names, latent)}
        query = names[-1]
        shown = random.sample(names, len(names))
        values = self._values(definitions, 0.0, random)
        stated = self._values(definitions, self.noise, random) if split == "train" else values
        steps = [
            f"{name}={stated[name]}"
            if definitions[name].isdigit()
            else f"{name}={definitions[name]}={stated[name]}"
            for name in _needed(query, definitions)
        ]
        return {
            "prompt": ";".join(f"{name}={definitions[name]}" for name in shown) + f";{query}?",
            "answer": str(values[query]),
            "solution": ";".join(steps),
            "info": {"definitions": definitions, "query": query, "values": values},
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when the last step states the value asked for.

        Reasons: "format" (a step is not ``name=definition=value``, or the last one is not about
        what was asked), "exact", "different".
        """
        steps = [_STEP.fullmatch(step) for step in response.strip().split(";")]
        if not all(steps) or steps[-1][1] != problem.info["query"]:
            return Verdict(False, "format")
        value = steps[-1][3]
        right = value == problem.answer
        return Verdict(right, "exact" if right else "different", value)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Correct: states a variable's true value. Valid: by its definition, from values stated.

        A definition is valid as it was given only, and after all that it depends on.
        """
        info = problem.info
        texts = [text for text in response.strip().split(";") if text]
        stated: dict[str, int] = {}
        correct, valid = [], []
        for text in texts:
            step = _STEP.fullmatch(text)
            if step is None or step[1] not in info["definitions"]:
                correct.append(False)
                valid.append(False)
                continue
            name, value = step[1], int(step[3])
            definition = info["definitions"][name]
            shown = step[2] or definition if definition.isdigit() else step[2]
            correct.append(value == info["values"][name])
            valid.append(
                shown == definition
                and set(_names(definition)) <= stated.keys()
                and value == self._value(definition, stated)
            )
            stated[name] = value
        return step_labels(texts, correct, valid)

    def _value(self, definition: str, values: Mapping[str, int]) -> int:
        left, operator, right = _DEFINITION.fullmatch(definition).groups()
        a = values[left] if left in values else int(left)
        if operator is None:
            return a
        b = values[right] if right in values else int(right)
        return OPERATORS[operator](a, b) % self.modulus

    def _values(
        self, definitions: Mapping[str, str], noise: float, random: Random
    ) -> dict[str, int]:
        values: dict[str, int] = {}
        for name, definition in definitions.items():  # in topological order
            values[name] = slip(self._value(definition, values), noise, self.modulus, random)
        return values


def _names(definition: str) -> list[str]:
    return [c for c in definition if c.isalpha()]


def _needed(query: str, definitions: Mapping[str, str]) -> list[str]:
    """What the query depends on and itself, depth first, operands from left to right."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        for operand in _names(definitions[name]):
            visit(operand)
        order.setdefault(name)

    visit(query)
    return list(order)
