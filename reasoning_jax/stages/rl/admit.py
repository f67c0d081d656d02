"""Which problems a step may take: Problem -> bool, as ``rl.admit`` and its phases name them."""

from collections.abc import Sequence

from reasoning_jax.types import Problem


def of_parts(problem: Problem, *, parts: Sequence[str]) -> bool:
    """Problems of these parts of a mixture (``reasoning_jax.tasks.mixture``)."""
    return problem.info.get("part") in parts


def info_within(
    problem: Problem, *, key: str, low: float = float("-inf"), high: float = float("inf")
) -> bool:
    """Problems whose ``info[key]`` is a number in [low, high]: a band of difficulty."""
    value = problem.info.get(key)
    return isinstance(value, int | float) and low <= value <= high


def prompt_within(problem: Problem, *, low: int = 0, high: int = 1 << 30) -> bool:
    """Problems whose prompt has ``low`` to ``high`` characters."""
    return low <= len(problem.prompt) <= high
