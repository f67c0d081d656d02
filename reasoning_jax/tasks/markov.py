"""Text of a source whose entropy is known: a Markov chain over letters."""

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from random import Random
from typing import ClassVar

import numpy as np

from reasoning_jax.tasks.splits import check_index, check_split
from reasoning_jax.types import Problem, StepLabels, Verdict

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclasses.dataclass(frozen=True)
class Markov:
    """Documents of ``length`` letters; each letter is drawn given the ``order`` letters before.

    Every distribution is drawn once, from a symmetric Dirichlet. Documents start in the
    stationary distribution, so all their letters are alike. A document is the solution of an
    empty prompt. What no model stays below, the entropy of a letter given those before, is
    ``entropy()`` nats, and ``floor()`` in the mean over the tokens of a document.

    Attributes:
      symbols: letters of the alphabet, at most 26.
      order: letters that a letter depends on.
      concentration: of the Dirichlet; less is more predictable.
      length: letters of a document, more than ``order``.
      temperature: of the source; probabilities are taken to the power 1 / temperature. At 1 the
        source itself, else one that a model trained at 1 has not seen.
      seed: of the distributions; documents of one split differ for every seed.
      train_size, validation_size, test_size: documents in each split.
    """

    name: ClassVar[str] = "markov"

    symbols: int = 16
    order: int = 2
    concentration: float = 0.3
    length: int = 33
    temperature: float = 1.0
    seed: int = 0
    train_size: int = 32_768
    validation_size: int = 512
    test_size: int = 512

    def __post_init__(self):
        self._require(2 <= self.symbols <= len(LETTERS), "symbols", f"in [2, {len(LETTERS)}]")
        self._require(self.order >= 1 and self.symbols**self.order <= 20_000, "order", "1 or more")
        self._require(self.concentration > 0, "concentration", "above 0")
        self._require(self.temperature > 0, "temperature", "above 0")
        self._require(self.length > self.order, "length", f"above the order, {self.order}")

    @property
    def alphabet(self) -> str:
        """The letters of the source."""
        return LETTERS[: self.symbols]

    def size(self, split: str) -> int:
        """Number of documents of a split."""
        check_split(split)
        return getattr(self, f"{split}_size")

    def problem(self, split: str, index: int) -> Problem:
        """Document `index` of a split, as the solution of an empty prompt."""
        check_index(self.name, split, index, self.size(split))
        random = Random(f"{self.seed}/{split}/{index}")
        state = bisect.bisect(self._starts, random.random())
        letters = [state // self.symbols**power % self.symbols for power in range(self.order)]
        letters.reverse()
        states, cumulative = self.symbols**self.order, self._cumulative
        for _ in range(self.length - self.order):
            letter = bisect.bisect(cumulative[state], random.random())
            letters.append(letter)
            state = (state * self.symbols + letter) % states
        text = "".join(LETTERS[letter] for letter in letters)
        id = f"{self.name}/{split}/{index}"
        return Problem(id=id, task=self.name, prompt="", answer="", solution=text)

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Nothing is right or wrong about a random text."""
        return Verdict(None, "no_answer")

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """Raises ValueError: a random text has no steps."""
        raise ValueError(f"{self.name} has no steps: its text is random")

    def entropy(self) -> float:
        """Nats a letter, given all letters before: what no model stays below."""
        p = self._transitions
        return float(-np.sum(self._stationary[:, None] * p * np.log(np.maximum(p, 1e-300))))

    def floor(self) -> float:
        """Least mean of the nats that a document's tokens take, its first letter left out.

        The end of the text is one of the tokens, and certain.
        """
        known = [self._entropy_after(n) for n in range(1, self.order)]
        rest = self.length - 1 - len(known)
        return (math.fsum(known) + rest * self.entropy()) / self.length

    def _entropy_after(self, n: int) -> float:
        """Entropy of a letter given n < order letters before it, at the stationary distribution."""
        joint = self._stationary.reshape((self.symbols,) * self.order)
        joint = joint.sum(axis=tuple(range(n + 1, self.order))).reshape(-1, self.symbols)
        given = joint / joint.sum(axis=1, keepdims=True)
        return float(-np.sum(joint * np.log(np.maximum(given, 1e-300))))

    @functools.cached_property
    def _transitions(self) -> np.ndarray:
        """[symbols^order, symbols]; a state is its letters as digits, the last one lowest."""
        rng = np.random.default_rng(self.seed)
        alpha = np.full(self.symbols, self.concentration)
        p = rng.dirichlet(alpha, size=self.symbols**self.order) + 1e-6
        p = p ** (1 / self.temperature)
        return p / p.sum(axis=1, keepdims=True)

    @functools.cached_property
    def _stationary(self) -> np.ndarray:
        """[symbols^order] probability of every state."""
        states = self.symbols**self.order
        after = (np.arange(states)[:, None] * self.symbols + np.arange(self.symbols)) % states
        mass = np.full(states, 1 / states)
        for _ in range(10_000):
            moved = np.bincount(after.ravel(), (mass[:, None] * self._transitions).ravel(), states)
            if np.abs(moved - mass).sum() < 1e-13:
                break
            mass = moved
        return moved

    @functools.cached_property
    def _cumulative(self) -> list[Sequence[float]]:
        return [_below_one(row) for row in self._transitions]

    @functools.cached_property
    def _starts(self) -> Sequence[float]:
        return _below_one(self._stationary)

    def _require(self, holds: bool, field: str, rule: str) -> None:
        if not holds:
            raise ValueError(f"{self.name}: {field} is {getattr(self, field)!r}; it must be {rule}")


def _below_one(probabilities: np.ndarray) -> list[float]:
    """Cumulative sums but the last, so that no number below 1 lies beyond them."""
    return list(itertools.accumulate(probabilities.tolist()))[:-1]
