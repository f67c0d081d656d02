"""Several reward functions as one, with weights.

In a config::

  rl.reward = named("reasoning_jax.verify.rewards.weighted")
  rl.reward.terms = ConfigDict({
      "outcome": named("reasoning_jax.verify.rewards.outcome", weight=1.0),
      "form": named("reasoning_jax.verify.rewards.think_answer", weight=0.2),
  })
"""

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reasoning_jax.functions import function
from reasoning_jax.types import Completion, Problem, Verdict

RewardFunction = Callable[[Problem, Completion, Verdict], float | None]


@dataclasses.dataclass(frozen=True)
class Term:
    """One summand: weight times the function's value."""

    name: str
    weight: float
    function: RewardFunction


@dataclasses.dataclass(frozen=True)
class Reward:
    """A weighted sum of reward functions, itself one.

    >>> reward = reward_of({"name": "reasoning_jax.verify.rewards.outcome"})
    >>> reward(problem, completion, verdict)  # 1.0, 0.0 or None
    """

    terms: tuple[Term, ...]

    def __call__(self, problem: Problem, completion: Completion, verdict: Verdict) -> float | None:
        """The weighted sum; None when any term is None."""
        return self.total(self.parts(problem, completion, verdict))

    def parts(
        self, problem: Problem, completion: Completion, verdict: Verdict
    ) -> dict[str, float | None]:
        """Each term's own value, not weighted, by the term's name."""
        return {term.name: term.function(problem, completion, verdict) for term in self.terms}

    def total(self, parts: Mapping[str, float | None]) -> float | None:
        """The weighted sum of what ``parts`` gave; None when any is None."""
        if any(part is None for part in parts.values()):
            return None
        return sum(term.weight * parts[term.name] for term in self.terms)


def weighted(
    problem: Problem, completion: Completion, verdict: Verdict, *, terms: Mapping[str, Any]
) -> float | None:
    """The sum of weight times value over terms; None when any value is None.

    Args:
      terms: name -> ``{"name": dotted path, "weight": number, **keywords}``.
    """
    return Reward(_terms(terms, "reward"))(problem, completion, verdict)


def reward_of(spec: Mapping[str, Any], where: str = "reward") -> Reward:
    """The reward of a config block: the terms of ``weighted``, or one function of weight 1.

    Args:
      spec: ``{"name": dotted path, **keywords}``.
      where: the config key, for messages.

    Raises:
      ValueError: an unknown function, a keyword it does not take, a weight that is not a finite
        number, or no terms.
    """
    found = function(spec, where)
    if getattr(found, "func", None) is weighted:
        return Reward(_terms(spec["terms"], f"{where}.terms"))
    return Reward((Term(spec["name"].rpartition(".")[2], 1.0, _callable(found, where)),))


def mean_parts(parts: Iterable[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean of each term over the completions that have a value of it."""
    values: dict[str, list[float]] = {}
    for row in parts:
        for name, value in row.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}


def _terms(terms: Any, where: str) -> tuple[Term, ...]:
    if not isinstance(terms, Mapping) and not hasattr(terms, "items"):
        raise ValueError(
            f"{where} is {terms!r}; give name: {{'name': dotted path, 'weight': number}} for each"
        )
    if not terms:
        raise ValueError(f"{where} is empty; give at least one reward function")
    return tuple(_term(name, spec, f"{where}.{name}") for name, spec in terms.items())


def _term(name: str, spec: Any, where: str) -> Term:
    if not hasattr(spec, "items") or "name" not in spec:
        raise ValueError(f"{where} is {spec!r}; give {{'name': dotted path, 'weight': number}}")
    weight = spec.get("weight", 1.0)
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not math.isfinite(weight):
        raise ValueError(f"{where}.weight is {weight!r}; a weight is a finite number")
    keywords = {key: value for key, value in spec.items() if key != "weight"}
    return Term(name, float(weight), _callable(function(keywords, where), where))


def _callable(found: Callable, where: str) -> RewardFunction:
    try:
        inspect.signature(found).bind(None, None, None)
    except TypeError as error:
        raise ValueError(
            f"{where}: not callable as (problem, completion, verdict): {error}"
        ) from error
    return found
